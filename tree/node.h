// What a rank does: it answers keys with outcomes. Events in, actions out, `now` as a parameter: no clock,
// thread, socket or file inside. One thread.
//
// One entry of the store, per key:
//
//        ask                   answer / loaded                 ask, no longer fresh
//   absent ---> Pending{waiters} --------------> Ready{outcome} ---------------------> Pending{waiters,
//      ^           |  error not remembered          |                                    previous outcome}
//      +-----------+--------------------------------+  evicted, least recently used first
//
// An asker that meets a Pending joins its waiters, which live in the entry that they wait for. A renewal
// names the previous outcome's tag upwards, and the answer may be "unchanged": then no bytes travel.
//
// When storage answers ESTALE for a block (its file, or its edition of a listing, is gone), or other bytes
// for the same block (a file too young for its times to tell), the root first expires what named that
// version: the path's entry and its directory's listing, or the listing. They become stale at every rank
// (Expire goes down the tree ahead of the answer), front ends are given notice, and the root reads them anew
// rather than ask "unchanged?". A load that was under way meanwhile may be old: it is repeated, up to
// limits::load_repeats times. Further ESTALE for the same version within limits::expiry_pause expire nothing:
// what has been read since then does not name it.
//
// Invariants: each ask is answered exactly once, unless its asker was cancelled; at most one question per key
// is under way from a rank, so one load per key at its root; bytes of Ready and previous outcomes <=
// store_bytes, except for one outcome larger than that, which is answered and not kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "tree/counters.h"
#include "tree/message.h"
#include "tree/outcome.h"
#include "tree/store.h"
#include "tree/topology.h"

namespace copper {

struct NodeOptions {
  std::size_t store_bytes = std::size_t{256} << 20;
};

// What storage said to a load. `unchanged` only where the load named previous bytes.
struct Loaded {
  Key key;
  bool unchanged = false;
  Result<Bytes> value = Errno{EIO};
  Tag tag = 0;
  Duration fresh_for{};
};

// What the node's own front end is told.
struct Reply {
  Client client{};
  bool unchanged = false;  // the bytes whose tag the asker named
  Outcome outcome;         // with the bytes even where unchanged
};

// Actions, in the order in which they must happen.
struct Send {
  Rank to{};
  Message message;
};
struct Load {
  Key key;
  std::optional<Bytes> previous;  // what storage said last time, when it may answer "unchanged"
};
struct Notice {
  Key key;  // front ends drop what they hold of it: see Expire
};
using Action = std::variant<Send, Load, Reply, Notice>;
using Actions = std::vector<Action>;

class Node {
 public:
  Node(Rank self, const Topology& topology, const NodeOptions& options);

  // The front end asks; exactly one Reply{client} follows, unless it cancels. A client has one question at a
  // time: asking again cancels the former one. valid(key) holds.
  void on_ask(Client client, Key key, Tag have, Instant now, Actions& out);
  // The client no longer waits. The fetch goes on.
  void on_cancel(Client client);
  // All clients for which `gone` holds have gone (their front end's worker died).
  template <class Gone>
  void on_clients_gone(Gone gone) {
    counters_.add(Counter::cancelled, store_.drop_clients(gone));
  }

  // A child asks, a parent answers or expires. Anything unexpected is counted as damaged and harms nothing.
  void on_message(Rank from, Message message, Instant now, Actions& out);

  // Storage answers a Load. Exactly once for each.
  void on_loaded(Loaded loaded, Instant now, Actions& out);

  // A restarted rank found this in its arena: kept where nothing is known of the key. Errors are not adopted.
  void adopt(const Key& key, Outcome outcome);

  // Memory is short: drops ready outcomes, least recently used first, until `bytes` of them have been dropped
  // or none is left. Returns what was dropped. Bytes that others still refer to live on until they let go.
  std::size_t make_room(std::size_t bytes);

  // What is waiting, oldest first, at most `limit`: for "what are you waiting for?".
  struct Waiting {
    Key key;
    Duration age{};
    std::size_t waiters = 0;
    std::optional<Rank> on;  // the parent that was asked; nothing: storage
  };
  std::vector<Waiting> waiting(Instant now, std::size_t limit) const;

  Rank self() const { return self_; }
  const Topology& topology() const { return topology_; }
  const Store& store() const { return store_; }
  const Counters& counters() const { return counters_; }
  Counters& counters() { return counters_; }

 private:
  void ask(const Asker& asker, const Key& key, Tag have, Instant now, Actions& out);
  void enquire(const Key& key, Pending& pending, Actions& out);
  void settle(const Key& key, Outcome outcome, bool suspect, Instant now, Actions& out);
  void answer(const Waiter& waiter, const Key& key, const Outcome& outcome, Instant now, Actions& out);
  void expire(const Key& key, Instant now, Actions& out);
  void make_stale(const Key& key, Instant now);
  bool gone_lately(const Key& key, Instant now);
  void on_answer(Rank from, Answer answer, Instant now, Actions& out);

  std::optional<Rank> parent(const Key& key) const { return topology_.parent(self_, topology_.tree_of(key)); }
  bool is_child(Rank rank, const Key& key) const;

  Rank self_;
  Topology topology_;
  Store store_;
  Counters counters_;
  std::unordered_map<Key, Instant, KeyHash> gone_;  // at a root: versions expired for ESTALE, and when
};

}  // namespace copper
