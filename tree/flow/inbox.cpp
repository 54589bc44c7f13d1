#include "tree/flow/inbox.h"

#include <algorithm>
#include <tuple>

#include "tree/assert.h"

namespace copper {
namespace {

// What carries a payload is an Answer or a Publish: decode() and header_of() see to it.
template <class Visit>
auto visit_carrier(Message& message, Visit visit) {
  if (auto* answer = std::get_if<Answer>(&message)) return visit(*answer);
  return visit(std::get<Publish>(message));
}

Tag tag_in(Message& message) {
  return visit_carrier(message, [](const auto& carrier) { return carrier.tag; });
}
const Key& key_in(Message& message) {
  return *visit_carrier(message, [](const auto& carrier) { return &carrier.key; });
}

void set_bytes(Message& message, Bytes bytes) {
  visit_carrier(message, [&](auto& carrier) { carrier.value = std::move(bytes); });
}

std::optional<Message> damaged_message(const Message& message) {
  const auto* answer = std::get_if<Answer>(&message);
  if (answer == nullptr) return std::nullopt;
  return Answer{.key = answer->key, .damaged = true};
}

}  // namespace

Header header_of(const Message& message, std::uint32_t stream) {
  const auto payload = payload_of(message);
  Header header{message, payload.size, stream, {}};
  if (payload.size == 0) return header;
  set_bytes(header.message, Bytes{});
  if (auto* answer = std::get_if<Answer>(&header.message)) answer->arrival = nullptr;
  if (payload.size <= limits::inline_bytes) header.inlined = {payload.data.get(), payload.size};
  return header;
}

std::optional<Inbox::Ticket> Inbox::header(Rank from, Tree tree, Header header) {
  auto& queue = queues_[{from, tree}];
  if (header.payload_bytes <= limits::inline_bytes) {
    auto message = header.payload_bytes == 0 ? std::optional(std::move(header.message))
                                             : with_payload(std::move(header.message), header.inlined, from);
    if (!message) return std::nullopt;
    if (queue.empty()) {
      out_.emplace_back(Received{from, std::move(*message)});
    } else {
      queue.push_back({Received{from, std::move(*message)}, nullptr});
    }
    return std::nullopt;
  }
  const auto stream = begin({from, tree, header.stream}, std::move(header));
  const Ticket ticket{next_ticket_++};
  streams_.emplace(ticket, stream);
  Held held{std::nullopt, stream};
  if (!stream->holds_back) {
    auto announcement = std::get<Answer>(stream->message);
    announcement.arrival = stream->arrival;
    held.received = Received{from, std::move(announcement)};
  }
  queue.push_back(std::move(held));
  release(queue);
  return ticket;
}

Inbox::StreamPtr Inbox::begin(const StreamName& name, Header header) {
  const auto stream = std::make_shared<Stream>();
  stream->name = name;
  stream->message = std::move(header.message);
  const auto* answer = std::get_if<Answer>(&stream->message);
  stream->holds_back = answer == nullptr || answer->key.kind != Kind::block;
  std::tie(stream->room, stream->in_memory) = make_room(key_in(stream->message), header.payload_bytes);
  stream->arrival = std::make_shared<Arrival>(stream->room);
  stream->missing = (header.payload_bytes + segment_bytes_ - 1) / segment_bytes_;
  stream->there.resize(stream->missing);
  return stream;
}

std::pair<Buffer, bool> Inbox::make_room(const Key& key, std::size_t size) {
  if (auto buffer = memory_.allocate(key, size)) return {std::move(*buffer), true};
  return {*heap_.allocate(key, size), false};
}

std::optional<Message> Inbox::with_payload(Message message, std::span<const std::byte> payload, Rank from) {
  if (differs(payload, tag_in(message))) {
    damage_(Damage::payload, from);
    return damaged_message(message);
  }
  auto [room, in_memory] = make_room(key_in(message), payload.size());
  std::ranges::copy(payload, room.data());
  return seal(std::move(message), std::move(room), in_memory);
}

Message Inbox::seal(Message message, Buffer room, bool in_memory) {
  Memory& memory = in_memory ? memory_ : heap_;
  set_bytes(message, memory.seal(std::move(room), tag_in(message)));
  return message;
}

std::size_t Inbox::segments(Ticket ticket) const { return streams_.at(ticket)->there.size(); }

std::span<std::byte> Inbox::room(Ticket ticket, std::size_t segment) const {
  const auto whole = streams_.at(ticket)->room.span();
  const auto begin = segment * segment_bytes_;
  return whole.subspan(begin, std::min(segment_bytes_, whole.size() - begin));
}

void Inbox::segment(Ticket ticket, std::size_t segment, std::size_t bytes) {
  const auto stream = streams_.at(ticket);
  ensure(segment < stream->there.size() && !stream->there[segment], "a segment comes once");
  if (bytes != room(ticket, segment).size() && !stream->bad) {
    // Those who forward it go on, so that nobody waits for the rest; the checksum tells them as well.
    stream->bad = true;
    damage_(Damage::segment, stream->name.from);
  }
  stream->there[segment] = true;
  --stream->missing;
  auto& arrival = *stream->arrival;
  while (!arrival.complete() && stream->there[arrival.arrived() / segment_bytes_])
    arrival.advance(std::min(segment_bytes_, arrival.rest().size()));
  if (verify_ == Verify::all) untagged_.push_back(stream);
  if (stream->missing > 0) return;
  streams_.erase(ticket);
  if (stream->announced) {
    out_.emplace_back(stream);
  } else {
    release(queues_.at({stream->name.from, stream->name.tree}));
  }
}

// Hands out what nothing holds back any more.
void Inbox::release(Queue& queue) {
  for (; !queue.empty(); queue.pop_front()) {
    auto& [received, stream] = queue.front();
    const bool whole = stream && stream->missing == 0;
    if (stream && stream->holds_back && !whole) return;
    if (received) out_.emplace_back(std::move(*received));
    if (!stream) continue;
    stream->announced = true;
    if (whole) out_.emplace_back(std::move(stream));
  }
}

std::optional<Received> Inbox::receive() {
  while (!out_.empty()) {
    auto next = std::move(out_.front());
    out_.pop_front();
    if (auto* received = std::get_if<Received>(&next)) return std::move(*received);
    auto& stream = *std::get<StreamPtr>(next);
    if (auto message = finish(stream)) return Received{stream.name.from, std::move(*message)};
  }
  return std::nullopt;
}

void Inbox::tag(Stream& stream) {
  const auto arrived = stream.arrival->arrived();
  if (arrived == stream.tagged) return;  // perhaps handed out already: then it has no room any more
  stream.tagger.add(stream.room.span().subspan(stream.tagged, arrived - stream.tagged));
  stream.tagged = arrived;
}

void Inbox::tag_arrived() {
  for (const auto& stream : std::exchange(untagged_, {})) tag(*stream);
}

std::optional<Message> Inbox::finish(Stream& stream) {
  const bool verify = verify_ == Verify::all;
  if (verify) tag(stream);
  const bool other = verify && !stream.bad && stream.tagger.tag() != tag_in(stream.message);
  if (other) damage_(Damage::payload, stream.name.from);
  if (!other && !stream.bad) return seal(std::move(stream.message), std::move(stream.room), stream.in_memory);
  damaged_.push_back(stream.name);
  return damaged_message(stream.message);
}

}  // namespace copper
