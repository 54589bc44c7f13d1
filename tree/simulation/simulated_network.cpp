#include "tree/simulation/simulated_network.h"

#include <algorithm>
#include <utility>

#include "tree/assert.h"
#include "tree/limits.h"
#include "tree/simulation/failure.h"

namespace copper::simulation {
namespace {

// What a message is taken for where it is not encoded: the fixed part of an ask or an answer, and a path of
// some 60 bytes.
constexpr std::size_t header_bytes = 160;

}  // namespace

SimulatedNetwork::SimulatedNetwork(const Topology& topology, World& world, EventQueue& queue, Detail detail,
                                   Digest& digest, std::function<void(Rank, Cause)> wake,
                                   const FlowLimits& flow)
    : topology_(topology),
      world_(world),
      queue_(queue),
      detail_(detail),
      digest_(digest),
      wake_(std::move(wake)),
      flow_(flow) {
  make_ports();
}
SimulatedNetwork::~SimulatedNetwork() = default;

void SimulatedNetwork::make_ports() {
  ports_.clear();
  for (std::uint32_t n = 0; n < topology_.ranks(); ++n)
    ports_.push_back(std::make_unique<Port>(*this, Rank{n}));
}

void SimulatedNetwork::restart() {
  ++restarts_;
  said_.clear();
  make_ports();
}

void SimulatedNetwork::cut_off(Rank rank) { port(rank).cut_off_ = true; }

std::uint32_t SimulatedNetwork::keep(Envelope envelope) {
  if (free_envelopes_.empty()) {
    envelopes_.push_back(std::move(envelope));
    return static_cast<std::uint32_t>(envelopes_.size() - 1);
  }
  const auto slot = free_envelopes_.back();
  free_envelopes_.pop_back();
  envelopes_[slot] = std::move(envelope);
  return slot;
}

// Has this rank said that to that one before?
void SimulatedNetwork::note_payload(Rank from, Rank to, const Message& message) {
  if (payload_of(message).size == 0) return;
  const auto* answer = std::get_if<Answer>(&message);
  const auto& key = answer != nullptr ? answer->key : std::get<Publish>(message).key;
  const auto tag = answer != nullptr ? answer->tag : std::get<Publish>(message).tag;
  if (!said_.insert({number(from), number(to), KeyHash{}(key), tag}).second) ++repeated_;
}

SimulatedNetwork::Envelope SimulatedNetwork::take(std::uint32_t slot) {
  free_envelopes_.push_back(slot);
  return std::move(envelopes_[slot]);
}

void SimulatedNetwork::arrive(Rank to, std::uint32_t slot) {
  if (envelopes_[slot].restarts != restarts_) return void(take(slot));
  const auto now = queue_.now();
  const auto received = world_.received(to, envelopes_[slot].bytes, now);
  if (received <= now) return deliver(to, slot);
  queue_.at(received, [this, to, slot] { deliver(to, slot); });
}

void SimulatedNetwork::deliver(Rank to, std::uint32_t slot) {
  auto envelope = take(slot);
  if (envelope.restarts != restarts_) return;
  auto& receiver = port(to);
  auto& sender = port(envelope.from);
  if (receiver.cut_off_ || sender.cut_off_) return;
  const bool segment = !envelope.is_header;
  const auto ticket = envelope.ticket;
  receiver.deliver(std::move(envelope));
  wake_(to, receiver.bulk_outstanding() ? Cause::bulk : Cause::message);
  if (!segment) return;
  sender.outbox_.left(ticket);
  if (!sender.outbox_.empty()) wake_(sender.self_, Cause::bulk);
}

// ---- one rank's end ----

SimulatedNetwork::Port::Port(SimulatedNetwork& network, Rank self)
    : network_(network),
      self_(self),
      damage_(counters_, [](const std::string&) {}),
      cache_(network.world_, self),
      outbox_(network.flow_),
      inbox_(network.detail_ == Detail::whole ? static_cast<Memory&>(cache_) : nobodys_, damage_,
             network.flow_.segment_bytes, network.detail_ == Detail::whole ? Verify::all : Verify::nothing) {}

bool SimulatedNetwork::Port::send(Rank to, Message message) {
  const auto tree = tree_of(message, network_.topology_);
  return outbox_.post(to, tree, std::move(message));
}

std::optional<Received> SimulatedNetwork::Port::receive() {
  auto received = inbox_.receive();
  if (received) network_.world_.takes(self_, Work::message, 0, network_.queue_.now());
  return received;
}

void SimulatedNetwork::Port::begin_turn() {
  if (segments_came_ > 0) network_.world_.takes(self_, Work::segment, segment_bytes_, network_.queue_.now());
  segments_came_ = 0;
  segment_bytes_ = 0;
}

Instant& SimulatedNetwork::Port::last_header(Rank to) {
  for (auto& [rank, at] : last_header_)
    if (rank == to) return at;
  return last_header_.emplace_back(to, Instant{}).second;
}

void SimulatedNetwork::Port::end_turn() {
  inbox_.tag_arrived();
  auto& network = network_;
  while (auto piece = outbox_.next()) {
    const auto to = piece->to();
    Envelope envelope{.from = self_,
                      .restarts = network.restarts_,
                      .ticket = piece->ticket,
                      .tree = piece->tree,
                      .stream = piece->stream,
                      .message = std::nullopt,
                      .encoded = {},
                      .is_header = piece->header.has_value(),
                      .offset = piece->offset,
                      .segment = piece->segment,
                      .bytes = piece->segment.size()};
    if (piece->header) {
      if (network.detail_ == Detail::whole) {
        encode(*piece->header, piece->stream, envelope.encoded);
        if (network.world_.damages(self_, to, *piece->header)) {
          envelope.encoded[envelope.encoded.size() / 2] ^= std::byte{1};
          ++network.damaged_;
        }
        envelope.bytes = envelope.encoded.size();
      } else {
        const auto payload = payload_of(*piece->header).size;
        envelope.bytes = header_bytes + (payload <= limits::inline_bytes ? payload : 0);
        envelope.message = std::move(piece->header);
      }
      outbox_.left(piece->ticket);
    }
    const auto now = network.queue_.now();
    if (network.detail_ == Detail::whole && envelope.is_header)
      network.note_payload(self_, to, *piece->header);
    auto& last = last_header(to);
    const auto arrives = std::max(last, network.world_.arrives(self_, to, envelope.bytes, now));
    if (envelope.is_header) last = arrives;
    network.queue_.at(arrives,
                      [&network, to, slot = network.keep(std::move(envelope))] { network.arrive(to, slot); });
  }
}

void SimulatedNetwork::Port::deliver(Envelope envelope) {
  const bool whole = network_.detail_ == Detail::whole;
  if (whole) {
    auto& digest = network_.digest_;
    digest.add(static_cast<std::uint64_t>(network_.queue_.now().time_since_epoch().count()));
    digest.add(std::uint64_t{number(envelope.from)} << 32 | number(self_));
    digest.add(envelope.encoded);
    digest.add(envelope.segment);
  }
  if (envelope.is_header) {
    auto header = whole ? decode(envelope.encoded) : header_of(*envelope.message, envelope.stream);
    expect(header.has_value() || network_.damaged_ > 0, "what a rank says can be understood");
    if (!header) return damage_(Damage::message, envelope.from);
    const auto ticket = inbox_.header(envelope.from, envelope.tree, std::move(*header));
    if (ticket)
      incoming_[{envelope.from, envelope.tree, envelope.stream}] = {*ticket, inbox_.segments(*ticket)};
    return;
  }
  const auto found = incoming_.find({envelope.from, envelope.tree, envelope.stream});
  ensure(found != incoming_.end() || network_.damaged_ > 0, "a segment comes after its header");
  if (found == incoming_.end()) return;  // of a header that was damaged
  const auto [ticket, missing] = found->second;
  const auto n = envelope.offset / network_.flow_.segment_bytes;
  if (whole) {
    const auto room = inbox_.room(ticket, n);
    expect(room.size() == envelope.segment.size(), "a segment is as long as its room");
    std::ranges::copy(envelope.segment, room.begin());
  }
  ++segments_came_;
  segment_bytes_ += envelope.bytes;
  if (missing == 1) {
    incoming_.erase(found);
  } else {
    --found->second.missing;
  }
  inbox_.segment(ticket, n, envelope.segment.size());
}

}  // namespace copper::simulation
