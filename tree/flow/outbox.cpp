#include "tree/flow/outbox.h"

#include <algorithm>
#include <utility>

#include "tree/assert.h"

namespace copper {
namespace {

bool is_file_block(const Message& message) {
  const auto* answer = std::get_if<Answer>(&message);
  return answer != nullptr && answer->key.kind == Kind::block;
}

}  // namespace

Outbox::Peer& Outbox::peer(Rank rank) {
  const auto found = std::ranges::find(ranks_, rank);
  if (found != ranks_.end()) return peers_[static_cast<std::size_t>(found - ranks_.begin())];
  ranks_.push_back(rank);
  auto& peer = peers_.emplace_back();
  peer.rank = rank;
  return peer;
}

bool Outbox::post(Rank to, Tree tree, Message message) {
  auto& receiver = peer(to);
  if (std::holds_alternative<Publish>(message)) {
    const auto bytes = payload_of(message).size;
    if (receiver.publications >= limits_.publications_waiting ||
        receiver.publication_bytes + bytes > limits_.publication_bytes_waiting)
      return false;
    ++receiver.publications;
    receiver.publication_bytes += bytes;
  }
  auto& lanes = receiver.lanes;
  auto lane = std::ranges::find(lanes, tree, &std::pair<Tree, Lane>::first);
  if (lane == lanes.end()) lane = lanes.insert(lanes.end(), {tree, Lane{}});
  lane->second.headers.push_back(std::move(message));
  ++headers_waiting_;
  return true;
}

std::optional<Outbox::Piece> Outbox::next() {
  const auto in_turn = [&](std::size_t& turn, auto&& piece_of) -> std::optional<Piece> {
    for (std::size_t n = 0; n < peers_.size(); ++n) {
      const auto at = (turn + n) % peers_.size();
      auto piece = piece_of(peers_[at]);
      if (!piece) continue;
      turn = (at + 1) % peers_.size();
      ++pieces_in_flight_;
      return piece;
    }
    return std::nullopt;
  };
  std::optional<Piece> piece;
  if (headers_waiting_ > 0) piece = in_turn(turn_[0], [&](Peer& to) { return next_header(to); });
  if (piece || payloads_ == 0) return piece;
  for (const bool bulk : {false, true}) {
    piece = in_turn(turn_[bulk ? 2 : 1], [&](Peer& to) { return next_segment(to, bulk); });
    if (piece) break;
  }
  return piece;
}

std::optional<Outbox::Piece> Outbox::next_header(Peer& to) {
  if (to.headers_in_flight >= limits_.headers_in_flight) return std::nullopt;
  for (std::size_t n = 0; n < to.lanes.size(); ++n) {
    const auto at = (to.next_lane + n) % to.lanes.size();
    auto& [tree, lane] = to.lanes[at];
    if (lane.headers.empty()) continue;
    auto payload = payload_of(lane.headers.front());
    const bool segmented = payload.size > limits::inline_bytes;
    if (segmented && lane.under_way.contains(lane.next_stream)) continue;
    Piece piece{.ticket = {.to = to.rank}, .tree = tree, .header = std::move(lane.headers.front())};
    lane.headers.pop_front();
    --headers_waiting_;
    ++to.headers_in_flight;
    to.next_lane = (at + 1) % to.lanes.size();
    const bool publication = std::holds_alternative<Publish>(*piece.header);
    if (publication) --to.publications;
    if (publication && !segmented) to.publication_bytes -= payload.size;
    if (!segmented) return piece;
    piece.stream = lane.next_stream;
    lane.next_stream = lane.next_stream == limits_.streams ? 1 : lane.next_stream + 1;
    lane.under_way.insert(piece.stream);
    ++payloads_;
    to.classes[is_file_block(*piece.header) ? 1 : 0].streams.emplace(next_serial_++,
                                                                     Stream{.tree = tree,
                                                                            .number = piece.stream,
                                                                            .payload = std::move(payload),
                                                                            .last_turn = ++turns_,
                                                                            .publication = publication});
    return piece;
  }
  return std::nullopt;
}

// The bytes of the stream's next segment, once all of it is there.
std::size_t Outbox::segment_there(const Stream& stream) const {
  const auto bytes = std::min(limits_.segment_bytes, stream.payload.size - stream.sent);
  return stream.sent + bytes <= stream.payload.there() ? bytes : 0;
}

std::optional<Outbox::Piece> Outbox::next_segment(Peer& to, bool bulk) {
  auto& [streams, bytes_in_flight] = to.classes[bulk ? 1 : 0];
  if (streams.empty() || bytes_in_flight >= limits_.bytes_in_flight) return std::nullopt;
  Streams::value_type* chosen = nullptr;
  std::size_t ready = 0;
  for (auto& candidate : streams) {
    if (segment_there(candidate.second) == 0) continue;
    if (chosen == nullptr || candidate.second.last_turn < chosen->second.last_turn) chosen = &candidate;
    if (++ready == limits::streams_in_turn) break;
  }
  if (chosen == nullptr) return std::nullopt;
  auto& [serial, stream] = *chosen;
  const auto bytes = segment_there(stream);
  if (bytes_in_flight > 0 && bytes_in_flight + bytes > limits_.bytes_in_flight) return std::nullopt;
  Piece piece{.ticket = {.to = to.rank, .serial = serial, .segment_bytes = bytes, .bulk = bulk},
              .tree = stream.tree,
              .stream = stream.number,
              .offset = stream.sent,
              .segment = {stream.payload.data.get() + stream.sent, bytes}};
  stream.last_turn = ++turns_;
  stream.sent += bytes;
  stream.in_flight += bytes;
  bytes_in_flight += bytes;
  return piece;
}

void Outbox::left(const Ticket& ticket) {
  auto& to = peer(ticket.to);
  --pieces_in_flight_;
  if (ticket.serial == 0) {
    --to.headers_in_flight;
    return;
  }
  auto& [streams, bytes_in_flight] = to.classes[ticket.bulk ? 1 : 0];
  const auto found = streams.find(ticket.serial);
  ensure(found != streams.end(), "what leaves was under way");
  auto& stream = found->second;
  bytes_in_flight -= ticket.segment_bytes;
  stream.in_flight -= ticket.segment_bytes;
  if (stream.in_flight > 0 || stream.sent < stream.payload.size) return;
  const auto lane = std::ranges::find(to.lanes, stream.tree, &std::pair<Tree, Lane>::first);
  lane->second.under_way.erase(stream.number);
  if (stream.publication) to.publication_bytes -= stream.payload.size;
  streams.erase(found);
  --payloads_;
}

}  // namespace copper
