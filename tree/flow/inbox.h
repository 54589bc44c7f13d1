// What has come from others, put together and handed out in order. Pure: it is told what has come. One
// thread.
//
// Between two ranks messages of one tree are handed out in the order in which they were sent, each once; a
// long payload (one that travels as segments) of a listing or an entry holds back what its sender sent after
// it in that tree. The payload of a file block holds nothing back: its Answer is handed out in its order,
// with `arrival` and no bytes, and once more, with its bytes, as soon as they are whole and that has
// happened.
//
// Bytes are verified when they are handed out, so after those who forward them have been given them. Where
// they are not what the header says, an Answer says that it is damaged, and a Publish is missing.
//
// A header makes room for its whole payload at once: what is under way is what this rank asked for, and as
// much as all have asked for at a time must find room; where Memory has none, it lies on the heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "tree/flow/damage.h"
#include "tree/limits.h"
#include "tree/ports.h"

namespace copper {

// The header of a message that is not encoded, for a transport that passes messages as they are. Refers to
// the message's bytes.
Header header_of(const Message& message, std::uint32_t stream);

// Whether bytes are compared with their tags. Nothing: for simulations of time, whose bytes are nobody's.
enum class Verify { all, nothing };

class Inbox {
 public:
  enum class Ticket : std::uint64_t {};  // names a payload while it is arriving

  // All outlive this.
  Inbox(Memory& memory, DamageReport& damage, std::size_t segment_bytes = limits::segment_bytes,
        Verify verify = Verify::all)
      : memory_(memory), damage_(damage), segment_bytes_(segment_bytes), verify_(verify) {}

  // A header has come; those of one sender and tree in the order in which they were sent. The ticket where
  // segments follow.
  std::optional<Ticket> header(Rank from, Tree tree, Header header);

  // Where the segments of a payload belong: segment n at n * segment_bytes, the last one shorter.
  std::size_t segments(Ticket ticket) const;
  std::span<std::byte> room(Ticket ticket, std::size_t segment) const;
  // A segment lies in its room, `bytes` of it (another number than the room's: damage). In any order, each
  // once. With the last one the ticket ends.
  void segment(Ticket ticket, std::size_t segment, std::size_t bytes);

  // Works ahead on the checksums of what has arrived, while it is in the processor's cache: to be called when
  // it has been passed on. receive() does the rest.
  void tag_arrived();

  std::optional<Received> receive();
  bool empty() const { return out_.empty(); }  // receive() has nothing

  bool arriving() const { return !streams_.empty(); }

  // Streams that ended damaged since the last call: what else comes under their number is no one's.
  struct StreamName {
    Rank from{};
    Tree tree{};
    std::uint32_t number = 0;
  };
  std::vector<StreamName> damaged() { return std::exchange(damaged_, {}); }

 private:
  struct Stream {
    StreamName name;
    Message message;  // an Answer or a Publish, without its bytes
    Buffer room;
    bool in_memory = false;  // else on the heap
    std::shared_ptr<Arrival> arrival;
    std::vector<bool> there;  // by segment
    std::size_t missing = 0;  // segments
    Tagger tagger;            // of the first `tagged` bytes
    std::size_t tagged = 0;
    bool bad = false;
    bool holds_back = false;
    bool announced = false;  // the Answer with `arrival` is out
  };
  using StreamPtr = std::shared_ptr<Stream>;

  // In the queue of its sender and tree.
  struct Held {
    std::optional<Received> received;
    StreamPtr stream;  // null: nothing follows
  };
  using Queue = std::deque<Held>;

  StreamPtr begin(const StreamName& name, Header header);
  std::optional<Message> with_payload(Message message, std::span<const std::byte> payload, Rank from);
  std::pair<Buffer, bool> make_room(const Key& key, std::size_t size);
  void release(Queue& queue);
  static void tag(Stream& stream);
  std::optional<Message> finish(Stream& stream);
  bool differs(std::span<const std::byte> payload, Tag tag) const {
    return verify_ == Verify::all && tag_of(payload) != tag;
  }
  Message seal(Message message, Buffer room, bool in_memory);

  Memory& memory_;
  DamageReport& damage_;
  std::size_t segment_bytes_;
  Verify verify_;
  HeapMemory heap_;
  std::uint64_t next_ticket_ = 1;
  std::map<Ticket, StreamPtr> streams_;
  std::map<std::pair<Rank, Tree>, Queue> queues_;
  std::deque<std::variant<Received, StreamPtr>> out_;  // a stream here is whole
  std::vector<StreamPtr> untagged_;
  std::vector<StreamName> damaged_;
};

}  // namespace copper
