#include "tree/topology.h"

#include <xxhash.h>

#include <algorithm>

#include "tree/assert.h"
#include "tree/limits.h"

namespace copper {

Topology::Topology(std::uint32_t ranks, Fanouts fanouts, std::uint32_t trees)
    : ranks_(ranks), fanouts_(fanouts), trees_(trees) {
  ensure(ranks >= 1, "a job has a rank");
  for (const auto fanout : {fanouts.control, fanouts.bulk})
    ensure(fanout >= 1 && fanout <= limits::fanout_max, "a fan-out is within its limits");
  ensure(trees >= 1 && trees <= limits::trees_max, "the number of trees is within its limits");
}

std::optional<Rank> Topology::parent(Rank rank, Tree tree, Shape shape) const {
  const auto at = position(rank, tree);
  if (at == 0) return std::nullopt;
  return rank_at((at - 1) / fanout(shape), tree);
}

std::vector<Rank> Topology::children(Rank rank, Tree tree, Shape shape) const {
  const auto first = std::uint64_t{position(rank, tree)} * fanout(shape) + 1;
  const auto end = std::min<std::uint64_t>(first + fanout(shape), ranks_);
  std::vector<Rank> children;
  for (auto at = first; at < end; ++at) children.push_back(rank_at(static_cast<std::uint32_t>(at), tree));
  return children;
}

std::uint32_t Topology::depth(Rank rank, Tree tree, Shape shape) const {
  std::uint32_t depth = 0;
  for (auto at = position(rank, tree); at != 0; at = (at - 1) / fanout(shape)) ++depth;
  return depth;
}

std::uint32_t Topology::subtree_size(Rank rank, Tree tree) const {
  const std::uint64_t k = fanouts_.control;
  std::uint64_t size = 0;
  std::uint64_t first = position(rank, tree);
  for (auto last = first; first < ranks_; first = first * k + 1, last = last * k + k)
    size += std::min<std::uint64_t>(last, ranks_ - 1) - first + 1;
  return static_cast<std::uint32_t>(size);
}

Tree Topology::tree_of(const Key& key) const {
  if (trees_ == 1) return first_tree;
  const auto directory = key.directory();
  return Tree{static_cast<std::uint32_t>(XXH3_64bits(directory.data(), directory.size()) % trees_)};
}

std::uint32_t Topology::rotation(Tree tree) const {
  ensure(number(tree) < trees_, "the tree exists");
  return static_cast<std::uint32_t>(std::uint64_t{number(tree)} * ranks_ / trees_);
}

std::uint32_t Topology::position(Rank rank, Tree tree) const {
  ensure(contains(rank), "the rank exists");
  return static_cast<std::uint32_t>((std::uint64_t{number(rank)} + ranks_ - rotation(tree)) % ranks_);
}

Rank Topology::rank_at(std::uint32_t position, Tree tree) const {
  return Rank{static_cast<std::uint32_t>((std::uint64_t{position} + rotation(tree)) % ranks_)};
}

}  // namespace copper
