#include "tree/job/readiness.h"

#include <algorithm>

#include "tree/limits.h"

namespace copper {

Readiness::Readiness(Rank self, const Topology& topology)
    : self_(self),
      topology_(topology),
      parent_(topology.parent(self, first_tree)),
      subtree_(topology.subtree_size(self, first_tree)),
      known_(topology.ranks()) {}

std::optional<Rank> Readiness::branch(Rank rank) const {
  auto below = rank;
  for (auto at = std::optional(rank); at; below = *at, at = topology_.parent(*at, first_tree))
    if (at == self_) return below;
  return std::nullopt;
}

void Readiness::on_mounted(Instant now, Actions& out) {
  learn(self_);
  pass_on(now, out);
}

bool Readiness::on_ranks(Rank from, const ReadyRanks& message, Instant now, Actions& out) {
  if (!topology_.contains(from) || topology_.parent(from, first_tree) != self_) return false;
  for (const auto rank : message.ranks)
    if (!topology_.contains(rank) || branch(rank) != from) return false;
  for (const auto rank : message.ranks) learn(rank);
  pass_on(now, out);
  return true;
}

void Readiness::learn(Rank rank) {
  if (known_[number(rank)]) return;
  known_[number(rank)] = true;
  ++known_count_;
  if (parent_) gathered_.push_back(rank);
}

void Readiness::pass_on(Instant now, Actions& out) {
  if (gathered_.empty()) return;
  if (!due_) due_ = now + limits::ready_gather;
  if (all_ready()) due_ = now;
  on_time(now, out);
}

void Readiness::on_time(Instant now, Actions& out) {
  if (!due_ || now < *due_) return;
  due_.reset();
  for (std::size_t first = 0; first < gathered_.size(); first += limits::ranks_per_message) {
    const auto begin = gathered_.begin() + static_cast<std::ptrdiff_t>(first);
    const auto size = std::min(limits::ranks_per_message, gathered_.size() - first);
    out.push_back(Send{*parent_, ReadyRanks{{begin, begin + static_cast<std::ptrdiff_t>(size)}}});
  }
  gathered_.clear();
}

std::vector<Rank> Readiness::not_ready() const {
  std::vector<Rank> missing;
  for (std::uint32_t n = 0; n < topology_.ranks(); ++n)
    if (!known_[n] && branch(Rank{n})) missing.push_back(Rank{n});
  return missing;
}

}  // namespace copper
