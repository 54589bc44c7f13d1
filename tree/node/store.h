// The outcomes a rank holds and the questions it has under way, bounded by bytes. States are types: an entry
// is Pending or Ready, and a list of waiters exists only while pending. Pending entries are never dropped
// (each has an asker that bounds them). One thread; knows no clock.
//
// Ready ones are dropped to make room by S3-FIFO (Yang et al., "FIFO queues are all you need for cache
// eviction", SOSP 2023), with a queue before its two. In which order, and where else they go:
//
//   spent   what everyone here has who would ask for it: the node's kernel and the children. First in, first
//           out; who is asked for all the same was forgotten there, and goes to main
//   small   what has come newly, once it is a tenth of the whole; who has been used meanwhile goes to main
//   main    the rest, first in, first out; each use, of the last three, spares it once
//
// So a scan of more than there is room for passes through `spent` and `small` and leaves `main` as it was. Of
// what was dropped from these the names are remembered, as many as there are outcomes: who comes back goes to
// main.
//
// Invariant: bytes() <= the bound. It counts the ready outcomes and the previous ones of pending entries,
// each with its path and a fixed overhead, so that absent names are bounded too.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "tree/key.h"
#include "tree/node/sharing.h"
#include "tree/outcome.h"
#include "tree/topology.h"

namespace copper {

// A question of this node's front end: an opaque number, chosen by the front end, unique while it waits.
enum class Client : std::uint64_t {};
using Asker = std::variant<Client, Rank>;

struct Waiter {
  Asker asker;
  Tag have = 0;                  // the bytes that the asker has already
  Shape shape = Shape::control;  // a rank: whose child it is,
  std::uint64_t seen = 0;        // and which publications it had been told when it asked

  // It asked its control parent before it was told publication `number`: that is its answer.
  bool hears(std::uint64_t number) const {
    return std::holds_alternative<Rank>(asker) && shape == Shape::control && seen < number;
  }
};

// A payload on its way here, as its header described it.
struct Arriving {
  std::shared_ptr<const Arrival> arrival;
  Tag tag = 0;
  Instant fresh_until{};
};

// Who has been given an outcome of those who would ask for it here.
struct Given {
  bool client = false;        // the front end
  std::uint8_t children = 0;  // so many of them, at most 255
  void add(const Asker& asker) {
    if (std::holds_alternative<Client>(asker))
      client = true;
    else if (children < UINT8_MAX)
      ++children;
  }
};

struct Pending {
  std::vector<Waiter> waiters;      // in order of asking; may become empty by cancellation
  std::optional<Outcome> previous;  // stale bytes, kept for "unchanged"
  std::uint64_t hits = 0;           // that these have had
  Instant since{};
  std::optional<Rank> on;  // who was asked; nothing: storage
  bool in_line = false;    // nobody has been asked yet: too much is under way
  Instant asked{};         // when last
  std::uint32_t asked_again = 0;
  Shape shape = Shape::control;      // and in which tree
  std::optional<Arriving> arriving;  // what it is answering
  std::uint64_t published = 0;       // number of the key's last publication, 0: none
  Askers askers;                     // at a root, since the question began
  Given given;                       // what is arriving
  bool known = false;                // it was ready before
  bool expired = false;       // since the question or load under way began, so what it brings may be old
  std::uint32_t repeats = 0;  // of them, for that reason among others
};

struct Ready {
  Outcome outcome;
  bool suspect = false;  // at a root: expired, so to be read anew even where storage would say "unchanged"
  Askers askers;         // at a root, since the outcome was asked for
  std::uint64_t published = 0;  // number of the key's last publication, 0: none
  Given given{};
  bool known = false;      // it was ready before
  std::uint64_t hits = 0;  // since its bytes came
  Instant since{};         // it was answered
};

// What is ready, for those who look for themselves rather than ask, and for the successor of a rank that
// died. It holds the store's ready outcomes but the suspect ones, always: erase() comes before an outcome's
// bytes can be freed.
class ReadyIndex {
 public:
  virtual ~ReadyIndex() = default;
  virtual void insert(const Key& key, const Outcome& outcome) = 0;  // or, where it is there: is fresh so long
  virtual void erase(const Key& key) = 0;
};

class Store {
 public:
  // What an outcome costs beyond its bytes and its path.
  static constexpr std::size_t overhead = 256;

  // `index`: null, or outlives this.
  explicit Store(std::size_t bound, ReadyIndex* index = nullptr);
  Store(Store&&) = default;
  Store& operator=(Store&&) = default;
  Store(const Store&) = delete;

  // The entry of `key` in that state, or null. Pointers are good until the next change of that entry.
  Pending* pending(const Key& key);
  Ready* ready(const Key& key);
  const Pending* pending(const Key& key) const;
  const Ready* ready(const Key& key) const;
  bool contains(const Key& key) const { return entries_.contains(key); }

  // The ready entry of `key` has just been used.
  void touch(const Key& key);
  // Everyone here has it who would ask for it.
  void spend(const Key& key);
  // A ready outcome is fresh until then.
  void set_fresh_until(const Key& key, Instant until);
  // A ready outcome is to be read anew even where storage would say "unchanged".
  void suspect(const Key& key);

  // absent or ready -> pending. Ready bytes become `previous`, unless they are suspect; `published` stays.
  Pending& begin(const Key& key, Instant now);
  // One more waiter for a pending entry. A client waits for one key at a time.
  void join(const Key& key, const Waiter& waiter);
  // A pending entry's previous outcome is of no more use.
  void forget_previous(const Key& key);
  // pending -> absent. The waiters and the previous outcome are the caller's.
  Pending end(const Key& key);
  // absent -> ready. Returns how many outcomes were dropped to make room. One that exceeds the bound itself
  // is not kept at all, and drops nothing; nor is one that finds no room beside the previous outcomes.
  std::size_t keep(const Key& key, Ready ready);
  // ready -> absent, where it is.
  void forget(const Key& key);
  // All for whose keys `concerns` holds; returns how many.
  template <class Concerns>
  std::size_t forget_all(Concerns concerns) {
    std::vector<Key> concerned;
    each_ready([&](const Key& key, const Ready&) {
      if (concerns(key)) concerned.push_back(key);
    });
    for (const auto& key : concerned) forget(key);
    return concerned.size();
  }

  // Ranks that asked in the control tree before they were told publication `number` of a pending key: it is
  // told them anyway.
  void drop_told(const Key& key, std::uint64_t number);
  // Pending, and its bytes have begun to arrive: the ranks that wait, who no longer do.
  std::vector<Waiter> take_ranks(const Key& key);

  // No longer waits: true where it did.
  bool drop_client(Client client);
  // All waiting clients for which `gone` holds; returns how many.
  template <class Gone>
  std::size_t drop_clients(Gone gone) {
    std::vector<Client> drop;
    for (const auto& [client, key] : clients_)
      if (gone(client)) drop.push_back(client);
    for (const auto client : drop) drop_client(client);
    return drop.size();
  }

  // Drops ready outcomes whose bytes that frees, as `frees(bytes)` says, until `wanted` bytes of them have
  // been dropped or none is left.
  struct Dropped {
    std::size_t outcomes = 0;
    std::size_t bytes = 0;
  };
  template <class Frees>
  Dropped make_room(std::size_t wanted, Frees frees) {
    Dropped dropped;
    while (dropped.bytes < wanted) {
      auto* item = victim([&](const Ready& ready) {
        return ready.outcome.value.ok() && ready.outcome.value->size() > 0 && frees(*ready.outcome.value);
      });
      if (item == nullptr) break;
      remember(item->first);
      ++dropped.outcomes;
      dropped.bytes += std::get<Ready>(item->second.state).outcome.value->size();
      drop(*item);
    }
    return dropped;
  }

  // Each pending entry, oldest first, while `visit(key, pending)` returns true.
  template <class Visit>
  void each_pending(Visit visit) const {
    for (const auto& entry : pending_order_)
      if (!visit(item_of(entry).first, *std::get<std::unique_ptr<Pending>>(entry.state))) return;
  }
  // Each ready entry.
  template <class Visit>
  void each_ready(Visit visit) const {
    for (const auto* queue : {&spent_, &small_, &main_})
      for (const auto& entry : queue->order) visit(item_of(entry).first, std::get<Ready>(entry.state));
  }

  std::size_t bound() const { return bound_; }
  // What finds room without driving out anything that somebody here may still ask for.
  std::size_t room() const { return bound_ - bytes_ + spent_.bytes; }
  std::size_t bytes() const { return bytes_; }  // see the invariant
  std::size_t outcomes() const {                // ready
    return spent_.order.size() + small_.order.size() + main_.order.size();
  }
  std::size_t questions() const { return pending_order_.size(); }  // pending
  std::size_t waiting_clients() const { return clients_.size(); }

 private:
  enum class In : std::uint8_t { pending, spent, small, main };
  using Link = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>>;
  struct Entry : Link {
    std::variant<std::unique_ptr<Pending>, Ready> state;
    In in = In::pending;
    std::uint8_t uses = 0;  // at most uses_counted
  };
  using Item = std::pair<const Key, Entry>;  // of the map: stays where it is
  using Order = boost::intrusive::list<Entry>;
  struct Queue {
    Order order;
    std::size_t bytes = 0;
  };
  static constexpr std::uint8_t uses_counted = 3;
  static constexpr std::size_t small_part = 10;  // of the bound: one in so many

  static std::size_t cost(const Key& key, const Outcome& outcome);
  static const Item& item_of(const Entry& entry);
  static Item& item_of(Entry& entry) { return const_cast<Item&>(item_of(std::as_const(entry))); }
  Queue& queue(In in) { return in == In::spent ? spent_ : in == In::small ? small_ : main_; }
  void enter(Item& item, In in);
  void leave(Item& item);
  void move(Item& item, In to) { leave(item), enter(item, to); }
  void drop(Item& item);  // ready
  void remember(const Key& key);

  // Which ready entry is to go next, of those for which `may_go`; null where there is none. Moves those that
  // it spares.
  template <class MayGo>
  Item* victim(MayGo may_go);
  template <class MayGo>
  Item* victim_in_small(MayGo may_go);
  template <class MayGo>
  Item* victim_in_main(MayGo may_go);

  std::unordered_map<Key, Entry, KeyHash> entries_;
  Order pending_order_;  // oldest first
  Queue spent_, small_, main_;
  std::deque<std::size_t> dropped_;                  // hashes of keys,
  std::unordered_multiset<std::size_t> remembered_;  // the same, to be found
  std::unordered_map<Client, Item*> clients_;        // what each waiting client waits for
  ReadyIndex* index_;
  std::size_t bound_;
  std::size_t bytes_ = 0;
};

template <class MayGo>
Store::Item* Store::victim(MayGo may_go) {
  for (auto& entry : spent_.order)
    if (may_go(std::get<Ready>(entry.state))) return &item_of(entry);
  if (small_.bytes > bound_ / small_part)
    if (auto* item = victim_in_small(may_go)) return item;
  if (auto* item = victim_in_main(may_go)) return item;
  return victim_in_small(may_go);
}

template <class MayGo>
Store::Item* Store::victim_in_small(MayGo may_go) {
  for (auto next = small_.order.begin(); next != small_.order.end();) {
    auto& entry = *next++;
    if (!may_go(std::get<Ready>(entry.state))) continue;
    if (entry.uses == 0) return &item_of(entry);
    move(item_of(entry), In::main);
  }
  return nullptr;
}

template <class MayGo>
Store::Item* Store::victim_in_main(MayGo may_go) {
  // Each round spares each of them at most once.
  for (int round = 0; round <= uses_counted; ++round) {
    auto left = main_.order.size();
    for (auto next = main_.order.begin(); left > 0; --left) {
      auto& entry = *next++;
      if (!may_go(std::get<Ready>(entry.state))) continue;
      if (entry.uses == 0) return &item_of(entry);
      const auto uses = static_cast<std::uint8_t>(entry.uses - 1);
      move(item_of(entry), In::main);
      entry.uses = uses;
    }
  }
  return nullptr;
}

}  // namespace copper
