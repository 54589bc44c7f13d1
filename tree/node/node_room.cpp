// What may be under way, and what is fetched before it is asked for. See node.h.
#include <algorithm>

#include "tree/limits.h"
#include "tree/node/node.h"

namespace copper {

// Those who wait for room, in the order in which they came, as far as there is room now; then offers.
void Node::serve_line(Instant now, Actions& out) {
  for (auto& place : places_) {
    while (!place.line.empty() && place.blocks_under_way < blocks_max_) {
      const auto key = std::move(place.line.front());
      place.line.pop_front();
      auto* pending = store_.pending(key);
      if (pending != nullptr && pending->in_line) enquire(key, *pending, pending->shape, now, out);
    }
  }
  take_offers(now, out);
}

// A client has asked for a block: if it has read those before, it will want those behind.
void Node::read_ahead(const Key& key, Instant now, Actions& out) {
  auto other = key;
  for (std::uint32_t n = 1; n <= limits::read_ahead_after; ++n) {
    other.block = key.block - n;
    if (key.block < n || !client_read(other)) return;
  }
  for (std::uint32_t n = 1; n <= limits::read_ahead_blocks && room_for(key); ++n) {
    other.block = key.block + n;
    if (std::uint64_t{other.block} * limits::block_bytes >= key.version.size) return;
    if (store_.contains(other) || offered_.contains(other)) continue;
    auto& pending = store_.begin(other, now);
    note_asker({Client{}}, other, pending.askers, true);
    counters_.add(Counter::read_ahead);
    enquire(other, pending, Shape::control, now, out);
  }
}

bool Node::client_read(const Key& key) const {
  if (const auto* ready = store_.ready(key)) return ready->given.client;
  const auto* pending = store_.pending(key);
  return pending != nullptr && std::ranges::any_of(pending->waiters, [](const Waiter& waiter) {
           return std::holds_alternative<Client>(waiter.asker);
         });
}

}  // namespace copper
