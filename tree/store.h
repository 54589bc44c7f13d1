// The outcomes a rank holds and the questions it has under way, bounded by bytes. States are types: an entry
// is Pending or Ready, and a list of waiters exists only while pending. Pending entries are never evicted
// (each has an asker that bounds them); ready ones go least recently used first. One thread; knows no clock.
//
// Invariant: bytes() <= the bound. It counts the ready outcomes and the previous ones of pending entries,
// each with its path and a fixed overhead, so that absent names are bounded too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "tree/key.h"
#include "tree/outcome.h"
#include "tree/sharing.h"
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

struct Pending {
  std::vector<Waiter> waiters;      // in order of asking; may become empty by cancellation
  std::optional<Outcome> previous;  // stale bytes, kept for "unchanged"
  Instant since{};
  std::optional<Rank> on;            // who was asked; nothing: storage
  Shape shape = Shape::control;      // and in which tree
  std::optional<Arriving> arriving;  // what it is answering
  std::uint64_t published = 0;       // number of the key's last publication, 0: none
  Askers askers;                     // at a root, since the question began
  bool expired = false;       // at a root: since the load under way began, so what it brings may be old
  std::uint32_t repeats = 0;  // at a root: loads made again for that reason
};

struct Ready {
  Outcome outcome;
  bool suspect = false;  // at a root: expired, so to be read anew even where storage would say "unchanged"
  Askers askers;         // at a root, since the outcome was asked for
  std::uint64_t published = 0;  // number of the key's last publication, 0: none
};

class Store {
 public:
  // What an outcome costs beyond its bytes and its path.
  static constexpr std::size_t overhead = 256;

  explicit Store(std::size_t bound);
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

  // absent or ready -> pending. Ready bytes become `previous`, unless they are suspect; `published` stays.
  Pending& begin(const Key& key, Instant now);
  // One more waiter for a pending entry. A client waits for one key at a time.
  void join(const Key& key, const Waiter& waiter);
  // A pending entry's previous outcome is of no more use.
  void forget_previous(const Key& key);
  // pending -> absent. The waiters and the previous outcome are the caller's.
  Pending end(const Key& key);
  // absent -> ready. Returns how many outcomes were dropped to make room; one that exceeds the bound itself
  // is not kept at all, and drops nothing.
  std::size_t keep(const Key& key, Ready ready);
  // ready -> absent, where it is.
  void forget(const Key& key);

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

  // Drops ready outcomes that have bytes, least recently used first, until `bytes` of them have been dropped
  // or none is left.
  struct Dropped {
    std::size_t outcomes = 0;
    std::size_t bytes = 0;
  };
  Dropped make_room(std::size_t bytes);

  // Each pending entry, oldest first, while `visit(key, pending)` returns true.
  template <class Visit>
  void each_pending(Visit visit) const {
    for (const auto* item : pending_order_)
      if (!visit(item->first, *std::get<std::unique_ptr<Pending>>(item->second.state))) return;
  }
  // Each ready entry, least recently used first.
  template <class Visit>
  void each_ready(Visit visit) const {
    for (const auto* item : ready_order_) visit(item->first, std::get<Ready>(item->second.state));
  }

  std::size_t bound() const { return bound_; }
  std::size_t bytes() const { return bytes_; }                     // see the invariant
  std::size_t outcomes() const { return ready_order_.size(); }     // ready
  std::size_t questions() const { return pending_order_.size(); }  // pending
  std::size_t waiting_clients() const { return clients_.size(); }

 private:
  struct Entry;
  using Item = std::pair<const Key, Entry>;
  using Order = std::list<Item*>;
  struct Entry {
    std::variant<std::unique_ptr<Pending>, Ready> state;
    Order::iterator place;  // in the order of its state
  };
  static std::size_t cost(const Key& key, const Outcome& outcome);
  void drop(Item& item);  // ready

  std::unordered_map<Key, Entry, KeyHash> entries_;  // its items stay where they are
  Order pending_order_;                              // oldest first
  Order ready_order_;                                // least recently used first
  std::unordered_map<Client, Item*> clients_;        // what each waiting client waits for
  std::size_t bound_;
  std::size_t bytes_ = 0;
};

}  // namespace copper
