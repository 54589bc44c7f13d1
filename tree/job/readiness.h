// Whose mounts answer: each rank says so once, the names travel up the first tree, and its root, rank 0,
// knows all. An interior rank gathers names until its subtree is complete or limits::ready_gather has passed
// since the first that it has not passed on. Pure: events in, actions out, no clock. One thread.
#pragma once

#include <optional>
#include <vector>

#include "tree/node/node.h"

namespace copper {

class Readiness {
 public:
  Readiness(Rank self, const Topology& topology);

  // This rank's mount answers. Saying it again changes nothing.
  void on_mounted(Instant now, Actions& out);
  // A child's list. False, and nothing happens, where it is not a child's to send: not a child, or names of
  // ranks outside its subtree.
  bool on_ranks(Rank from, const ReadyRanks& message, Instant now, Actions& out);
  // Sends what has been gathered long enough.
  void on_time(Instant now, Actions& out);
  std::optional<Instant> deadline() const { return due_; }

  // Of this rank's subtree; on rank 0, of the job.
  bool all_ready() const { return known_count_ == subtree_; }
  std::vector<Rank> not_ready() const;

 private:
  void learn(Rank rank);
  void pass_on(Instant now, Actions& out);
  // The child of this rank whose subtree holds `rank`, or this rank itself; nothing where it is outside.
  std::optional<Rank> branch(Rank rank) const;

  Rank self_;
  Topology topology_;
  std::optional<Rank> parent_;
  std::uint32_t subtree_;
  std::vector<bool> known_;  // by rank
  std::uint32_t known_count_ = 0;
  std::vector<Rank> gathered_;  // known, not yet passed on
  std::optional<Instant> due_;  // when to pass on what is gathered
};

}  // namespace copper
