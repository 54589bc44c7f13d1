// See ring_clients.h.
#include "service/ring_clients.h"

#include <algorithm>
#include <cstring>

#include "service/idle.h"
#include "service/storage/storage.h"

namespace copper {
namespace {

using segment::CompletionKind;
using segment::CompletionRecord;
using segment::PostKind;
using segment::PostRecord;

std::int64_t as_ns(Instant instant) { return instant.time_since_epoch().count(); }

// Only as much of a record as is in use: its path is 4 KiB long, most are short.
PostRecord copy_of(const PostRecord& shared) {
  PostRecord post;
  std::memcpy(static_cast<void*>(&post), &shared, offsetof(PostRecord, path));
  if (post.path_bytes > limits::path_bytes) post.path_bytes = 0;  // which is no path either
  std::memcpy(post.path.data(), shared.path.data(), post.path_bytes);
  return post;
}

std::optional<Key> key_of(const PostRecord& post) {
  if (post.path_bytes > limits::path_bytes) return std::nullopt;
  Key key{static_cast<Kind>(post.key_kind), post.number, std::string_view(post.path.data(), post.path_bytes),
          post.version};
  return valid(key) ? std::optional(std::move(key)) : std::nullopt;
}

}  // namespace

RingClients::RingClients(Segment& segment, Arena& arena, Memory& room, Counters& counters)
    : segment_(segment),
      arena_(arena),
      room_(room),
      counters_(counters),
      worker_generation_(segment.header().worker_generation.load(std::memory_order_acquire)) {
  for (std::uint32_t n = 0; n < segment.lanes(); ++n) {
    auto& lane = segment.lane(n);
    lanes_.push_back({PostConsumer(lane.posts), CompletionProducer(lane.completions), {}});
  }
  arena_.end_leases(worker_generation_);  // of a worker that died while there was no rank
}

std::optional<Event> RingClients::event() {
  if (auto gone = worker_gone()) return gone;
  move_in();
  if (!clears_.empty() && !mounted()) {
    const auto number = clears_.front().second;
    clears_.pop_front();
    return FrontEndCleared{number};
  }
  for (std::size_t tried = 0; tried < lanes_.size(); ++tried) {
    const auto n = next_lane_;
    next_lane_ = (next_lane_ + 1) % static_cast<std::uint32_t>(lanes_.size());
    flush(n);
    while (const auto* front = lanes_[n].posts.front()) {
      const auto post = copy_of(*front);
      // It may be the first of a worker that came since we looked; of a dead one nobody waits for anything.
      if (post.generation != worker_generation_) {
        if (auto gone = worker_gone()) return gone;
      }
      lanes_[n].posts.pop();
      if (auto event = take(n, post)) return event;
    }
  }
  return std::nullopt;
}

std::optional<Event> RingClients::worker_gone() {
  const auto generation = segment_.header().worker_generation.load(std::memory_order_acquire);
  if (generation == worker_generation_) return std::nullopt;
  const auto gone = std::exchange(worker_generation_, generation);
  waiting_.clear();
  roomless_.clear();
  roomless_bytes_ = 0;
  for (auto& lane : lanes_) lane.backlog.clear();
  arena_.end_leases(generation);
  for (const auto& clear : clears_) tell_of_clear(clear);
  return WorkerGone{gone};
}

std::optional<Event> RingClients::take(std::uint32_t lane, const PostRecord& post) {
  if (post.generation != worker_generation_) return std::nullopt;
  switch (post.kind) {
    case PostKind::ask:
      return take_ask(lane, post);
    case PostKind::found:
      return take_found(post);
    case PostKind::cancel:
      if (waiting_.erase(post.client) == 0) {  // answered in the meantime
        give_up([&](const Roomless& one) { return one.record.client == post.client; });
        return std::nullopt;
      }
      return Cancel{Client{post.client}};
    case PostKind::release:
      if (!arena_.release(post.block)) damaged();
      return std::nullopt;
    case PostKind::control:
      return take_control(lane, post);
    case PostKind::cleared:
      if (std::erase_if(clears_, [&](const auto& clear) { return clear.second == post.client; }) == 0)
        return std::nullopt;
      return FrontEndCleared{post.client};
    case PostKind::mounted:
      return Mounted{};
  }
  damaged();
  return std::nullopt;
}

std::optional<Event> RingClients::take_ask(std::uint32_t lane, const PostRecord& post) {
  const auto kind = static_cast<Kind>(post.key_kind);
  if (post.client >> 32 != worker_generation_ ||
      !waiting_.emplace(post.client, Waiting{lane, kind, monotonic_now()}).second) {
    damaged();
    return std::nullopt;
  }
  if (auto key = key_of(post)) return Question{Client{post.client}, std::move(*key), post.have};
  damaged();
  waiting_.at(post.client).kind.reset();  // it is no question
  reply({.client = Client{post.client}, .outcome = {.value = Errno{EINVAL}}}, {});
  return std::nullopt;
}

std::optional<Event> RingClients::take_found(const PostRecord& post) {
  if (auto key = key_of(post)) return FoundReady{std::move(*key)};
  damaged();
  return std::nullopt;
}

std::optional<Event> RingClients::take_control(std::uint32_t lane, const PostRecord& post) {
  const auto op = static_cast<ControlOp>(post.number);
  Control control{Client{post.client}, op, std::string_view(post.path.data(), post.path_bytes)};
  const bool known = op == ControlOp::status || op == ControlOp::stats ||
                     (op == ControlOp::clear && valid_path(control.path));
  if (!known || post.client >> 32 != worker_generation_ ||
      !waiting_.emplace(post.client, Waiting{lane, {}, {}}).second) {
    damaged();
    return std::nullopt;
  }
  return control;
}

void RingClients::reply(const Reply& reply, Instant) {
  const auto waiting = settle(reply.client);
  if (!waiting) return;
  CompletionRecord record{};
  record.kind = CompletionKind::outcome;
  record.client = static_cast<std::uint64_t>(reply.client);
  record.unchanged = reply.unchanged ? 1 : 0;
  record.tag = reply.outcome.tag;
  record.fresh_until_ns = as_ns(reply.outcome.fresh_until);
  if (!reply.outcome.value.ok()) {
    record.error = number(reply.outcome.value.error());
  } else if (!reply.unchanged) {
    const auto& bytes = *reply.outcome.value;
    const bool behind = !roomless_.empty() && bytes.size() > 0 && !arena_.block_of(bytes);
    if (behind || !lease(bytes, record)) {
      if (may_wait(bytes.size())) {
        roomless_bytes_ += bytes.size();
        roomless_.push_back({*waiting, record, bytes, monotonic_now() + room_patience});
        return;
      }
      no_room(record);
    }
  }
  finish(*waiting, record);
}

// They lie on the heap: as much as may be under way.
bool RingClients::may_wait(std::size_t bytes) const {
  return bytes < waited_in_vain_ &&
         roomless_bytes_ + bytes <= segment_.arena().size() / limits::under_way_part;
}

// In the order in which they came, as far as there is room now.
void RingClients::move_in() {
  while (!roomless_.empty()) {
    auto& [waiting, record, bytes, until] = roomless_.front();
    if (!lease(bytes, record)) {
      if (monotonic_now() < until) return;
      waited_in_vain_ = std::min(waited_in_vain_, bytes.size());
      no_room(record);
    }
    leave(roomless_.begin());
  }
}

void RingClients::finish(const Waiting& waiting, const CompletionRecord& record) {
  complete(waiting.lane, record);
  if (!waiting.kind) return;
  const auto us = (monotonic_now() - waiting.taken) / std::chrono::microseconds{1};
  const bool failed = record.error != 0 && !remembered(Errno{record.error});
  latencies_[index(*waiting.kind)].add(static_cast<std::uint64_t>(us), record.bytes, failed);
}

// Those do not wait for room any longer.
template <class Which>
void RingClients::give_up(Which which) {
  for (auto one = roomless_.begin(); one != roomless_.end();) {
    if (!which(*one)) {
      ++one;
      continue;
    }
    no_room(one->record);
    one = leave(one);
  }
}

std::deque<RingClients::Roomless>::iterator RingClients::leave(std::deque<Roomless>::iterator one) {
  finish(one->waiting, one->record);
  roomless_bytes_ -= one->bytes.size();
  return roomless_.erase(one);
}

void RingClients::no_room(CompletionRecord& record) {
  counters_.add(Counter::no_room);
  record.error = ENOBUFS;
}

void RingClients::reply_control(Client client, const std::string& text) {
  const auto waiting = settle(client);
  if (!waiting) return;
  CompletionRecord record{};
  record.kind = CompletionKind::outcome;
  record.client = static_cast<std::uint64_t>(client);
  if (!lease(Bytes::copy_of(text), record)) no_room(record);
  complete(waiting->lane, record);
}

// What is told of a key after an answer must not come before it.
void RingClients::notice(const Key& key) {
  if (!segment_.has_front_end()) return;
  give_up([](const Roomless&) { return true; });
  CompletionRecord record{};
  record.kind = CompletionKind::notice;
  record.key_kind = static_cast<std::uint8_t>(key.kind);
  // Without room for the path the notice says the widest thing, the root: everything is looked at again.
  if (!lease(Bytes::copy_of(key.path.str()), record)) no_room(record);
  complete(0, record);
}

void RingClients::clear(const Path& path, std::uint64_t number) {
  clears_.emplace_back(path, number);
  if (segment_.has_front_end()) tell_of_clear(clears_.back());
}

void RingClients::tell_of_clear(const std::pair<Path, std::uint64_t>& clear) {
  CompletionRecord record{};
  record.kind = CompletionKind::clear;
  record.client = clear.second;
  // Without room for the path: all of it, as a notice does.
  if (!lease(Bytes::copy_of(clear.first.str()), record)) no_room(record);
  complete(0, record);
}

// Where nothing is mounted the kernel holds nothing, and nobody reads what is said to it. A front end that
// was killed has not said that it is gone.
bool RingClients::mounted() const {
  return segment_.header().mount_state.load(std::memory_order_acquire) ==
             static_cast<std::uint32_t>(segment::MountState::mounted) &&
         segment_.has_front_end();
}

std::optional<RingClients::Waiting> RingClients::settle(Client client) {
  const auto found = waiting_.find(static_cast<std::uint64_t>(client));
  if (found == waiting_.end()) return std::nullopt;
  const auto waiting = found->second;
  waiting_.erase(found);
  return waiting;
}

// Bytes that came while the arena was full lie on the heap: they move into it as soon as there is room, which
// the reader waits for, bounded; then he reads directly.
bool RingClients::lease(const Bytes& bytes, CompletionRecord& record) {
  if (bytes.size() == 0) return true;
  auto held = bytes;
  auto block = arena_.block_of(held);
  if (!block) {
    auto buffer = room_.allocate(Key{}, bytes.size());
    if (!buffer) return false;
    if (bytes.size() >= waited_in_vain_) waited_in_vain_ = SIZE_MAX;
    std::memcpy(buffer->data(), bytes.data(), bytes.size());
    held = room_.seal(std::move(*buffer), tag_of(bytes.span()));
    block = arena_.block_of(held);
  }
  arena_.lease(*block, worker_generation_);
  record.block = *block;
  record.bytes = held.size();
  return true;
}

void RingClients::complete(std::uint32_t lane, const CompletionRecord& record) {
  auto stamped = record;
  stamped.generation = worker_generation_;
  lanes_[lane].backlog.push_back(stamped);
  flush(lane);
}

void RingClients::flush(std::uint32_t n) {
  auto& lane = lanes_[n];
  bool asleep = false;
  while (!lane.backlog.empty()) {
    auto* record = lane.completions.reserve();
    if (record == nullptr) break;
    *record = lane.backlog.front();
    lane.backlog.pop_front();
    asleep |= lane.completions.publish();
  }
  if (asleep) segment_.ring_lane(n);
}

}  // namespace copper
