// What a rank does: it answers keys with outcomes. Events in, actions out, `now` as a parameter: no clock,
// thread, socket or file inside. One thread.
//
// One entry of the store, per key:
//
//        ask                   answer / loaded / published     ask, no longer fresh
//   absent ---> Pending{waiters} --------------> Ready{outcome} ---------------------> Pending{waiters,
//      ^           |  error not remembered          |                                    previous outcome}
//      +-----------+--------------------------------+  dropped to make room (store.h)
//
// An asker that meets a Pending joins its waiters, which live in the entry that they wait for. A renewal
// names the previous outcome's tag upwards, and the answer may be "unchanged": then no bytes travel.
//
// Publishing: what is shared (sharing.h) its root tells everyone down the control tree, numbered; every rank
// has been told all publications up to the number it last saw. A question carries that number: where its key
// has been published since, the asker is about to be told, and its control parent sends it nothing else. A
// file block is only offered: whoever lacks it asks its parent in the bulk tree, and passes it on while it
// still arrives (Arrival). So nothing crosses an edge twice. Everything but file blocks keeps to the control
// tree, whose edges keep order: what was published before an Expire arrives before it. A failure on a bulk
// edge (a version that is gone, a parent that is dead) is no outcome: it is asked again in the control tree.
//
// Blocks of files that are under way are bounded (limits.h): further questions wait in line, in order. A
// client that reads a file in order is read ahead of: the next blocks are asked for as if it had asked.
//
// When storage answers ESTALE for a block (its file, or its edition of a listing, is gone), or other bytes
// for the same block (a file too young for its times to tell), the root first expires what named that
// version: the path's entry and its directory's listing, or the listing. They become stale at every rank
// (Expire goes down the tree ahead of the answer), front ends are given notice, and the root reads them anew
// rather than ask "unchanged?". A load that was under way meanwhile may be old: it is repeated, up to
// limits::load_repeats times. Further ESTALE for the same version within limits::expiry_pause expire nothing:
// what has been read since then does not name it.
//
// A message may be lost, where it was damaged on its way. Publications are numbered, so the next one shows
// the gap: what was asked there is asked again. Besides, a question that a living rank has not answered for
// long is asked again, now and then; its asker joins those who wait, or is answered once more.
//
// A rank that owes an answer and shows no sign of life (liveness.h) is dead: what was asked of it fails with
// not_carried, and so does what would be asked of it, until it is heard of again. Nothing is remembered of
// that.
//
// Invariants: each ask is answered exactly once, by an answer or by a publication, unless its asker was
// cancelled; at most one question per key is under way from a rank, so one load per key at its root; bytes of
// Ready and previous outcomes <= store_bytes, except for one outcome larger than that, which is answered and
// not kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "tree/counters.h"
#include "tree/message.h"
#include "tree/node/liveness.h"
#include "tree/node/sharing.h"
#include "tree/node/store.h"
#include "tree/outcome.h"
#include "tree/profile/path_counts.h"
#include "tree/topology.h"

namespace copper {

struct NodeOptions {
  std::size_t store_bytes = std::size_t{256} << 20;
  PublishPolicy publish = PublishPolicy::automatic;
  std::size_t paths_counted = 0;  // tree/profile/path_counts.h
};

// The outcome of a question that the tree cannot carry: a rank on its way is dead, or damages what it sends.
// Who is told so reads storage itself.
inline constexpr Errno not_carried{EHOSTDOWN};

// What storage said to a load. `unchanged` only where the load named previous bytes.
struct Loaded {
  Key key;
  bool unchanged = false;
  Result<Bytes> value = Errno{EIO};
  Tag tag = 0;
  Duration fresh_for{};
  bool looked = true;  // storage was asked; not where the port knew the answer (a node-local tree)
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
struct ClearFrontEnd {
  Path path;                 // it and its kernel forget all at or below
  std::uint64_t number = 0;  // what they acknowledge
};
using Action = std::variant<Send, Load, Reply, Notice, ClearFrontEnd>;
using Actions = std::vector<Action>;

class Node {
 public:
  // `index`: of what is ready, for a front end that looks there before it asks; null, or outlives the node.
  Node(Rank self, const Topology& topology, const NodeOptions& options, ReadyIndex* index = nullptr);

  // The front end asks; exactly one Reply{client} follows, unless it cancels. A client has one question at a
  // time: asking again cancels the former one. valid(key) holds.
  void on_ask(Client client, Key key, Tag have, Instant now, Actions& out);
  // The front end found it in the index: as good as a question that was answered.
  void on_found(const Key& key, Instant now, Actions& out);
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

  // What is held in `tree` of the keys that tell of `path` is forgotten, what is on its way is asked again.
  // To be called in its order among the messages of that tree (clearing.h).
  void clear(Tree tree, const Path& path);

  // A restarted rank found this in its arena, as fresh as it was for the former one: kept where nothing is
  // known of the key. What was for the job stays so; of the rest it is not known what it missed since. Errors
  // are not adopted.
  void adopt(const Key& key, Outcome outcome, Instant now);

  // When time has passed: asks the silent whether they live, gives up on the dead, and asks those again who
  // live and have not answered for long.
  void on_time(Instant now, Actions& out);
  std::optional<Instant> deadline() const;

  // From now on neighbours are asked whether they live though they owe nothing: there is always something
  // due. Once, when all take part.
  void watch_neighbours(Instant now);
  // Those that have been silent for so long that they are taken to be gone (limits::peer_lost).
  const std::vector<Rank>& lost() const { return lost_; }
  // These, and those that are dead now.
  std::vector<Rank> dead() const { return liveness_.dead(); }

  // Memory is short: drops ready outcomes whose bytes that frees, as `frees(bytes)` says, until `wanted`
  // bytes of them have been dropped or none is left. Returns how many were.
  template <class Frees>
  std::size_t make_room(std::size_t wanted, Frees frees) {
    const auto dropped = store_.make_room(wanted, frees);
    counters_.add(Counter::evictions, dropped.outcomes);
    return dropped.bytes;
  }

  // What is waiting, oldest first, at most `limit`: for "what are you waiting for?".
  struct Waiting {
    Key key;
    Duration age{};
    std::size_t waiters = 0;
    std::optional<Rank> on;  // the parent that was asked; nothing: storage
    bool in_line = false;    // nobody yet: too much is under way
  };
  std::vector<Waiting> waiting(Instant now, std::size_t limit) const;

  Rank self() const { return self_; }
  const Topology& topology() const { return topology_; }
  PublishPolicy publish_policy() const { return sharing_.policy(); }
  const Store& store() const { return store_; }
  const Counters& counters() const { return counters_; }
  Counters& counters() { return counters_; }
  const PathCounts& paths() const { return paths_; }
  // The first question that a parent has answered, with an outcome; not where this is a root of all.
  struct FirstAnswer {
    Kind kind{};
    Instant when{};
  };
  const std::optional<FirstAnswer>& first_answer() const { return first_answer_; }

 private:
  // This rank in one tree.
  struct Place {
    std::optional<Rank> parent;
    std::optional<Rank> bulk_parent;
    std::vector<Rank> children;
    std::size_t bulk_children = 0;
    std::uint64_t seen = 0;  // number of the last publication that it was told, or, at the root, made
    std::size_t blocks_under_way = 0;  // of files: asked of somebody and not answered
    std::deque<Key> line;              // pending, and to be asked when there is room
  };
  Place& place_of(const Key& key) { return places_[number(topology_.tree_of(key))]; }
  const Place& place_of(const Key& key) const { return places_[number(topology_.tree_of(key))]; }
  bool at_root(const Key& key) const { return !place_of(key).parent; }

  void ask(const Waiter& waiter, const Key& key, Instant now, Actions& out);
  void note_absent(const Key& key, const Outcome& outcome);
  void note_use(const Waiter& waiter, const Key& key, Ready& ready, Instant now, Actions& out);
  void note_given(const Key& key, Ready& ready);
  void note_asker(const Waiter& waiter, const Key& key, Askers& askers, bool first);
  void enquire(const Key& key, Pending& pending, Shape shape, Instant now, Actions& out,
               std::optional<std::uint64_t> seen = std::nullopt);
  void end_question(const Key& key, Pending& pending);
  void serve_line(Instant now, Actions& out);
  void read_ahead(const Key& key, Instant now, Actions& out);
  bool client_read(const Key& key) const;
  bool room_for(const Key& key) const { return place_of(key).blocks_under_way < blocks_max_; }
  void settle(const Key& key, Outcome outcome, bool suspect, bool renewed, Instant now, Actions& out);
  void answer(const Waiter& waiter, const Key& key, const Outcome& outcome, Instant now, Actions& out);
  void pass_on(const Waiter& waiter, const Key& key, const Arriving& arriving, Instant now, Actions& out);
  void publish(const Key& key, Ready& ready, bool renewed, std::optional<Rank> answered, Instant now,
               Actions& out);
  void expire(const Key& key, Instant now, Actions& out);
  void make_stale(const Key& key, Instant now);
  bool gone_lately(const Key& key, Instant now);

  bool on_child_ask(Rank from, Ask& ask, Instant now, Actions& out);
  bool on_answer(Rank from, Answer& answer, Instant now, Actions& out);
  bool on_publish(Rank from, Publish& publish, Instant now, Actions& out);
  Publish for_child(Rank child, const Publish& publish, Instant now);
  void on_offered(const Publish& publish, Instant now, Actions& out);
  bool wanted_unasked(const Key& key) const;
  void on_told(const Publish& publish, Instant now, Actions& out);
  void take_offers(Instant now, Actions& out);
  void ask_again(Rank parent, const Key& told, Instant now, Actions& out);
  void ask_unanswered_again(Instant now, Actions& out);
  void fail(const Key& key, Instant now, Actions& out);

  Rank self_;
  Topology topology_;
  std::vector<Place> places_;  // by tree
  Store store_;
  Sharing sharing_;
  Liveness liveness_;
  std::optional<Instant> look_again_;  // whether a question that a rank was asked is still unanswered
  std::size_t blocks_max_;             // of files, under way in one tree at a time
  std::size_t bulk_questions_ = 0;     // asked of bulk parents and not answered
  std::deque<Key> line_;               // offers that wait, those that have been taken out of turn included
  std::unordered_map<Key, std::uint64_t, KeyHash> offered_;  // those that wait, with the publication's number
  Counters counters_;
  PathCounts paths_;
  std::optional<FirstAnswer> first_answer_;
  std::unordered_map<Key, Instant, KeyHash> gone_;  // at a root: versions expired for ESTALE, and when
  std::vector<Rank> lost_;
};

}  // namespace copper
