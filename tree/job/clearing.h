// A user has the whole job forget what it holds at or below a path (`copper clear`), asked at any rank: so
// that who reads after that, on any node, meets what storage has.
//
// An answer comes down its tree's control edges in order, so a clear must come down each tree from its root:
// behind all that was answered before, ahead of all that is answered after. In each tree the asker's Clear
// goes up to the root, hop by hop. From there it comes down: each rank clears its node (Node::clear) for that
// tree and passes the Clear on to its children at once. When it has come down in all trees, the front end is
// told to forget, and its kernel with it: nothing old can reach it any more from this rank. A rank whose
// front end has done so, and whose children have said so of their subtrees, tells its parent: Cleared. The
// root's goes down to the asker, the way that its Clear came.
//
// A rank that waits for longer than limits::clear_look says what it has, and who is missing; then again with
// each answer, until it has them all. The asker reports at limits::clear_patience. Those who are late carry
// the clear out when they are reached; after limits::clear_memory nobody counts them any more.
//
// Pure: events in, actions out, no clock. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "tree/node/node.h"

namespace copper {

// What became of a clear.
struct Clearance {
  std::uint32_t ranks = 0;      // that have cleared, their kernels included
  std::optional<Rank> missing;  // one that has not; nothing: all have
};

class Clearing {
 public:
  // The node outlives this.
  explicit Clearing(Node& node);

  // Begins a clear of this rank's own and returns its number; nothing where too many are under way.
  std::optional<std::uint64_t> begin(const Path& path, Instant now, Actions& out);

  // A neighbour's message. False, and nothing happens, where it is none that it may send. A Cleared that
  // comes too late is dropped.
  bool on_clear(Rank from, const Clear& message, Instant now, Actions& out);
  bool on_cleared(Rank from, const Cleared& message, Actions& out);
  // The front end and its kernel have forgotten what ClearFrontEnd{number} named.
  void on_front_end_cleared(std::uint64_t number, Actions& out);

  // One of this rank's own that is complete, or whose time is up; each is taken once.
  struct Taken {
    std::uint64_t number = 0;
    Clearance clearance;
  };
  std::optional<Taken> taken(Instant now);

  // When time has passed: says who is missing, forgets.
  void on_time(Instant now, Actions& out);
  std::optional<Instant> deadline() const;

 private:
  struct Branch {  // a child's subtree
    Rank child{};
    Clearance said;
  };
  struct InTree {
    bool wanted = false;            // here, or by the child that brought it on its way up,
    std::optional<Rank> wanted_by;  // who is told the root's word
    bool came_down = false;
    std::vector<Branch> branches;
    bool told_all = false;           // the parent, that the subtree is cleared
    std::optional<Clearance> heard;  // the root's word, where it is wanted
  };
  struct UnderWay {
    Path path;
    std::vector<InTree> trees;
    std::uint32_t came_down = 0;  // in so many of them
    std::uint64_t number = 0;     // what the front end was told last; 0: nothing
    bool front_end_cleared = false;
    Instant look{};
    Instant reported_by{};    // where this rank asked
    bool is_reported = true;  // nobody here waits
    Instant forgotten_by{};
    bool looked = false;
  };
  using All = std::map<JobRequest, UnderWay>;

  All::iterator make(const JobRequest& name, const Path& path, Instant now);
  void want(All::iterator clear, Tree tree, std::optional<Rank> by, Actions& out);
  void come_down(All::iterator clear, Tree tree, Actions& out);
  void tell_front_end(UnderWay& clear, Actions& out);
  void say(All::iterator clear, Tree tree, Actions& out);
  void hear(All::iterator clear, Tree tree, const Clearance& word, Actions& out);
  void forget_if_over(All::iterator clear);
  Clearance subtree(const UnderWay& clear, Tree tree) const;
  Clearance job(const UnderWay& clear) const;
  Tree tree_at(std::size_t index) const { return Tree{static_cast<std::uint32_t>(index)}; }

  Node& node_;
  All under_way_;
  std::uint64_t last_number_ = 0;
  std::uint64_t last_told_ = 0;
};

}  // namespace copper
