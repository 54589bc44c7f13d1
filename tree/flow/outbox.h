// What a rank has to say to others and has not said yet, and what of it may leave now. Pure: it encodes and
// sends nothing. One thread.
//
// A message leaves as pieces: its header (which has a short payload with it), then the segments of a longer
// payload in order; of one that is still arriving only those that are there. Who may leave when:
//   - headers go ahead of all segments, to one peer in the order in which they were posted within a tree;
//   - then segments of listings and entries, which hold back what follows them at the receiver; then segments
//     of file blocks. Peers take turns; of a peer's oldest limits::streams_in_turn payloads of which a
//     segment is there the one goes first whose last turn is longest ago;
//   - on their way to one peer are at most limits::headers_in_flight headers and, of either class of
//     segments, at most limits::payload_bytes_in_flight bytes. So a slow peer slows no other.
//
// What waits for a peer is bounded: answers by what it asked, publications by limits.h; further ones are
// refused.
//
// Streams are numbered 1..limits::streams in turn, for each peer and tree, in the order of their headers; a
// header whose number is still under way waits, and so do those behind it.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "tree/limits.h"
#include "tree/message.h"

namespace copper {

struct FlowLimits {
  std::size_t headers_in_flight = limits::headers_in_flight;
  std::size_t bytes_in_flight = limits::payload_bytes_in_flight;
  std::size_t segment_bytes = limits::segment_bytes;
  std::uint32_t streams = limits::streams;
  std::size_t publications_waiting = limits::publications_waiting;
  std::size_t publication_bytes_waiting = limits::publication_bytes_waiting;
};

class Outbox {
 public:
  // Names a piece that is on its way.
  struct Ticket {
    Rank to{};
    std::uint64_t serial = 0;  // of its payload; 0: a header
    std::size_t segment_bytes = 0;
    bool bulk = false;
  };

  struct Piece {
    Ticket ticket;
    Tree tree{};
    std::uint32_t stream = 0;              // 0: a header that no segments follow
    std::optional<Message> header{};       // nothing: a segment
    std::size_t offset = 0;                // of the segment within the payload
    std::span<const std::byte> segment{};  // valid until left()
    Rank to() const { return ticket.to; }
  };

  explicit Outbox(FlowLimits flow_limits = {}) : limits_(flow_limits) {}

  // False, and nothing is posted: a publication to a peer for which too many wait.
  bool post(Rank to, Tree tree, Message message);

  // What may leave now, piece by piece, until nothing may. To be asked again after each post(), each left(),
  // and when more of an arriving payload is there.
  std::optional<Piece> next();

  // The piece has left: its bytes are no longer needed for it. In any order.
  void left(const Ticket& ticket);

  // Something has been posted that has not left, whether or not it could.
  bool empty() const { return pieces_in_flight_ == 0 && headers_waiting_ == 0 && payloads_ == 0; }
  // Payloads of which something has not left.
  std::size_t payloads() const { return payloads_; }

 private:
  // The payload of a header that has left or is leaving, longer than limits::inline_bytes.
  struct Stream {
    Tree tree{};
    std::uint32_t number = 0;
    Payload payload;
    std::uint64_t last_turn = 0;
    std::size_t sent = 0;       // handed out by next()
    std::size_t in_flight = 0;  // of them not yet left
    bool publication = false;
  };
  using Streams = std::map<std::uint64_t, Stream>;  // by serial: oldest first

  // What goes to one peer in one tree.
  struct Lane {
    std::deque<Message> headers;
    std::uint32_t next_stream = 1;
    std::set<std::uint32_t> under_way;
  };
  struct Class {
    Streams streams;
    std::size_t bytes_in_flight = 0;
  };
  struct Peer {
    Rank rank{};
    std::vector<std::pair<Tree, Lane>> lanes;
    std::size_t next_lane = 0;
    std::size_t headers_in_flight = 0;
    std::size_t publications = 0;       // whose header has not been handed out
    std::size_t publication_bytes = 0;  // of payloads of which something has not left
    std::array<Class, 2> classes;       // listings and entries; file blocks
  };

  Peer& peer(Rank rank);
  std::optional<Piece> next_header(Peer& peer);
  std::optional<Piece> next_segment(Peer& peer, bool bulk);
  std::size_t segment_there(const Stream& stream) const;

  FlowLimits limits_;
  std::vector<Peer> peers_;            // parents and children: some dozens; never leave
  std::vector<Rank> ranks_;            // of them, in the same order
  std::array<std::size_t, 3> turn_{};  // whose turn it is: for headers, and for either class of segments
  std::uint64_t next_serial_ = 1;
  std::uint64_t turns_ = 0;  // of streams, so far
  std::size_t headers_waiting_ = 0;
  std::size_t payloads_ = 0;
  std::size_t pieces_in_flight_ = 0;
};

}  // namespace copper
