// The node's front end, over the segment's rings: a Clients. One thread, the rank's. Believes nothing that it
// reads: records are copied out and checked, and what does not hold is counted as damaged and dropped.
//
// Each outcome that goes out with bytes leases their block to the worker's generation; the lease ends with
// the worker's release, or with the worker. Bytes that are not in the arena wait for room in it, for
// room_patience at most, and until something is told besides: then the answer is ENOBUFS, at once where one
// as long has waited in vain.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "service/arena.h"
#include "service/segment/ring.h"
#include "service/segment/segment.h"
#include "tree/ports.h"
#include "tree/profile/latencies.h"

namespace copper {

class RingClients final : public Clients {
 public:
  // `room` is the arena behind whatever makes room in it. All outlive this.
  RingClients(Segment& segment, Arena& arena, Memory& room, Counters& counters);

  std::optional<Event> event() override;
  void reply(const Reply& reply, Instant now) override;
  void reply_control(Client client, const std::string& text) override;
  void notice(const Key& key) override;
  void clear(const Path& path, std::uint64_t number) override;

  // From when a question was taken until it was answered, by kind.
  const std::array<Latencies, kind_count>& latencies() const { return latencies_; }

 private:
  struct Lane {
    PostConsumer posts;
    CompletionProducer completions;
    std::deque<segment::CompletionRecord> backlog;  // while the ring is full
  };

  std::optional<Event> worker_gone();
  std::optional<Event> take(std::uint32_t lane, const segment::PostRecord& post);
  std::optional<Event> take_ask(std::uint32_t lane, const segment::PostRecord& post);
  std::optional<Event> take_found(const segment::PostRecord& post);
  std::optional<Event> take_control(std::uint32_t lane, const segment::PostRecord& post);
  void tell_of_clear(const std::pair<Path, std::uint64_t>& clear);
  bool mounted() const;
  struct Waiting {
    std::uint32_t lane = 0;
    std::optional<Kind> kind;  // of a question; nothing: the user's command
    Instant taken{};
  };
  std::optional<Waiting> settle(Client client);  // once
  bool may_wait(std::size_t bytes) const;
  void move_in();
  template <class Which>
  void give_up(Which which);
  void finish(const Waiting& waiting, const segment::CompletionRecord& record);
  void no_room(segment::CompletionRecord& record);
  bool lease(const Bytes& bytes, segment::CompletionRecord& record);
  void complete(std::uint32_t lane, const segment::CompletionRecord& record);
  void flush(std::uint32_t lane);
  void damaged() { counters_.add(Counter::messages_damaged); }

  Segment& segment_;
  Arena& arena_;
  Memory& room_;
  Counters& counters_;
  std::vector<Lane> lanes_;
  std::uint32_t next_lane_ = 0;
  std::uint32_t worker_generation_;
  std::unordered_map<std::uint64_t, Waiting> waiting_;  // by client
  struct Roomless {                                     // an answer whose bytes the arena has no room for yet
    Waiting waiting;
    segment::CompletionRecord record;
    Bytes bytes;
    Instant until{};
  };
  std::deque<Roomless> roomless_;
  std::deque<Roomless>::iterator leave(std::deque<Roomless>::iterator one);  // answered; the next one
  std::size_t roomless_bytes_ = 0;
  std::size_t waited_in_vain_ = SIZE_MAX;  // bytes; nothing as long waits until something as long finds room
  std::array<Latencies, kind_count> latencies_{};
  std::deque<std::pair<Path, std::uint64_t>> clears_;  // that the front end has not acknowledged
};

}  // namespace copper
