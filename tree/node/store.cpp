#include "tree/node/store.h"

#include <algorithm>
#include <boost/intrusive/parent_from_member.hpp>

#include "tree/assert.h"

namespace copper {

Store::Store(std::size_t bound, ReadyIndex* index) : index_(index), bound_(bound) {
  static_assert(sizeof(Item) + 4 * sizeof(void*) <= overhead, "an entry's own memory is counted");
}

std::size_t Store::cost(const Key& key, const Outcome& outcome) {
  return overhead + key.path.size() + (outcome.value.ok() ? outcome.value->size() : 0);
}

const Store::Item& Store::item_of(const Entry& entry) {
  return *boost::intrusive::get_parent_from_member<Item>(&entry, &Item::second);
}

void Store::enter(Item& item, In in) {
  auto& [key, entry] = item;
  entry.in = in;
  entry.uses = 0;
  queue(in).order.push_back(entry);
  queue(in).bytes += cost(key, std::get<Ready>(entry.state).outcome);
}

void Store::leave(Item& item) {
  auto& [key, entry] = item;
  auto& from = queue(entry.in);
  from.order.erase(from.order.iterator_to(entry));
  from.bytes -= cost(key, std::get<Ready>(entry.state).outcome);
}

const Pending* Store::pending(const Key& key) const {
  const auto found = entries_.find(key);
  const auto* state =
      found == entries_.end() ? nullptr : std::get_if<std::unique_ptr<Pending>>(&found->second.state);
  return state == nullptr ? nullptr : state->get();
}

const Ready* Store::ready(const Key& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : std::get_if<Ready>(&found->second.state);
}

Pending* Store::pending(const Key& key) { return const_cast<Pending*>(std::as_const(*this).pending(key)); }
Ready* Store::ready(const Key& key) { return const_cast<Ready*>(std::as_const(*this).ready(key)); }

void Store::touch(const Key& key) {
  const auto found = entries_.find(key);
  ensure(found != entries_.end() && std::holds_alternative<Ready>(found->second.state),
         "what is used is ready");
  auto& entry = found->second;
  if (entry.in == In::spent) move(*found, In::main);
  entry.uses = std::min<std::uint8_t>(entry.uses + 1, uses_counted);
}

void Store::spend(const Key& key) {
  const auto found = entries_.find(key);
  ensure(found != entries_.end() && std::holds_alternative<Ready>(found->second.state),
         "what is spent is ready");
  if (found->second.in == In::small) move(*found, In::spent);
}

void Store::set_fresh_until(const Key& key, Instant until) {
  auto* found = ready(key);
  ensure(found != nullptr, "what is fresh or stale is ready");
  found->outcome.fresh_until = until;
  if (index_ != nullptr && !found->suspect) index_->insert(key, found->outcome);
}

void Store::suspect(const Key& key) {
  auto* found = ready(key);
  ensure(found != nullptr, "what is suspect is ready");
  found->suspect = true;
  if (index_ != nullptr) index_->erase(key);
}

Pending& Store::begin(const Key& key, Instant now) {
  const auto [found, absent] = entries_.try_emplace(key);
  auto& entry = found->second;
  auto pending = std::make_unique<Pending>();
  pending->since = now;
  if (!absent) {
    auto* ready = std::get_if<Ready>(&entry.state);
    ensure(ready != nullptr, "no question begins twice");
    leave(*found);
    if (index_ != nullptr) index_->erase(key);
    pending->published = ready->published;
    pending->known = true;
    pending->hits = ready->hits;
    if (ready->outcome.value.ok() && !ready->suspect) {
      pending->previous = std::move(ready->outcome);  // and goes on being counted
    } else {
      bytes_ -= cost(key, ready->outcome);
    }
  }
  pending_order_.push_back(entry);
  entry.in = In::pending;
  return *entry.state.emplace<std::unique_ptr<Pending>>(std::move(pending));
}

void Store::join(const Key& key, const Waiter& waiter) {
  const auto found = entries_.find(key);
  ensure(found != entries_.end(), "what is waited for is pending");
  auto* pending = std::get_if<std::unique_ptr<Pending>>(&found->second.state);
  ensure(pending != nullptr, "what is waited for is pending");
  if (const auto* client = std::get_if<Client>(&waiter.asker)) {
    const bool first = clients_.emplace(*client, &*found).second;
    ensure(first, "a client waits for one key at a time");
  }
  auto& waiters = (*pending)->waiters;
  // A rank that asks again is answered once.
  const auto before = std::find_if(waiters.begin(), waiters.end(), [&](const Waiter& other) {
    return std::holds_alternative<Rank>(waiter.asker) && other.asker == waiter.asker &&
           other.shape == waiter.shape;
  });
  if (before != waiters.end()) {
    *before = waiter;
  } else {
    waiters.push_back(waiter);
  }
}

void Store::forget_previous(const Key& key) {
  auto* waited_for = pending(key);
  ensure(waited_for != nullptr, "only a question has a previous outcome");
  if (waited_for->previous) bytes_ -= cost(key, *waited_for->previous);
  waited_for->previous.reset();
}

Pending Store::end(const Key& key) {
  const auto found = entries_.find(key);
  ensure(found != entries_.end(), "what ends is pending");
  auto* pending = std::get_if<std::unique_ptr<Pending>>(&found->second.state);
  ensure(pending != nullptr, "what ends is pending");
  Pending ended = std::move(**pending);
  for (const auto& waiter : ended.waiters)
    if (const auto* client = std::get_if<Client>(&waiter.asker)) clients_.erase(*client);
  if (ended.previous) bytes_ -= cost(key, *ended.previous);
  pending_order_.erase(pending_order_.iterator_to(found->second));
  entries_.erase(found);
  return ended;
}

std::size_t Store::keep(const Key& key, Ready ready) {
  const auto needed = cost(key, ready.outcome);
  if (needed > bound_) return 0;
  const auto [found, absent] = entries_.try_emplace(key);
  ensure(absent, "only what is absent becomes ready");
  const bool proven = ready.known || remembered_.contains(KeyHash{}(key));
  found->second.state = std::move(ready);
  bytes_ += needed;
  std::size_t dropped = 0;  // it is in no queue yet: others go
  for (; bytes_ > bound_; ++dropped) {
    auto* item = victim([](const Ready&) { return true; });
    if (item == nullptr) {  // the rest are previous outcomes
      bytes_ -= needed;
      entries_.erase(found);
      return dropped;
    }
    remember(item->first);
    drop(*item);
  }
  enter(*found, proven ? In::main : In::small);
  const auto& kept = std::get<Ready>(found->second.state);
  if (index_ != nullptr && !kept.suspect) index_->insert(key, kept.outcome);
  return dropped;
}

void Store::forget(const Key& key) {
  const auto found = entries_.find(key);
  if (found != entries_.end() && std::holds_alternative<Ready>(found->second.state)) drop(*found);
}

void Store::drop_told(const Key& key, std::uint64_t number) {
  auto* waited_for = pending(key);
  ensure(waited_for != nullptr, "waiters wait for what is pending");
  std::erase_if(waited_for->waiters, [&](const Waiter& waiter) { return waiter.hears(number); });
}

std::vector<Waiter> Store::take_ranks(const Key& key) {
  auto* waited_for = pending(key);
  ensure(waited_for != nullptr, "waiters wait for what is pending");
  auto& waiters = waited_for->waiters;
  const auto ranks = std::stable_partition(waiters.begin(), waiters.end(), [](const Waiter& waiter) {
    return std::holds_alternative<Client>(waiter.asker);
  });
  std::vector<Waiter> taken(ranks, waiters.end());
  waiters.erase(ranks, waiters.end());
  return taken;
}

bool Store::drop_client(Client client) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) return false;
  auto& waiters = std::get<std::unique_ptr<Pending>>(found->second->second.state)->waiters;
  std::erase_if(waiters, [&](const Waiter& waiter) { return waiter.asker == Asker{client}; });
  clients_.erase(found);
  return true;
}

void Store::remember(const Key& key) {
  const auto hash = KeyHash{}(key);
  dropped_.push_back(hash);
  remembered_.insert(hash);
  for (; dropped_.size() > outcomes(); dropped_.pop_front())
    remembered_.erase(remembered_.find(dropped_.front()));
}

void Store::drop(Item& item) {
  bytes_ -= cost(item.first, std::get<Ready>(item.second.state).outcome);
  leave(item);
  const Key key = item.first;  // erase(key) must not be given a reference into what it erases
  if (index_ != nullptr) index_->erase(key);
  entries_.erase(key);
}

}  // namespace copper
