// Who is whose parent: T trees over the same N ranks, each in two shapes: wide for control (questions,
// answers, publications: few hops), narrow for bulk (file blocks, passed on while they arrive: few copies
// sent by each). Each shape of tree t is the k-ary heap over the ranks in their order, rotated by t/T of the
// ring of ranks, so both have the same root. So the ranks that forward in one tree are leaves in all others
// wherever there are ranks enough (T times the interior ranks <= N; T < fan-out suffices for that from N =
// fan-out squared on); beyond that the load is spread evenly, and the roots stay distinct while T <= N. The
// first tree's root is rank 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "tree/key.h"

namespace copper {

enum class Rank : std::uint32_t {};
enum class Tree : std::uint32_t {};
inline constexpr std::uint32_t number(Rank rank) { return static_cast<std::uint32_t>(rank); }
inline constexpr std::uint32_t number(Tree tree) { return static_cast<std::uint32_t>(tree); }
inline constexpr Tree first_tree{0};
enum class Shape : std::uint8_t { control = 0, bulk = 1 };

struct Fanouts {  // children of a rank
  std::uint32_t control = 16;
  std::uint32_t bulk = 2;
};

class Topology {
 public:
  // ranks >= 1, 1 <= fan-outs <= limits::fanout_max, 1 <= trees <= limits::trees_max; asserted. Likewise
  // every rank and tree below must be one of them.
  Topology(std::uint32_t ranks, Fanouts fanouts, std::uint32_t trees);

  std::uint32_t ranks() const { return ranks_; }
  std::uint32_t fanout(Shape shape) const { return shape == Shape::bulk ? fanouts_.bulk : fanouts_.control; }
  std::uint32_t trees() const { return trees_; }
  bool contains(Rank rank) const { return number(rank) < ranks_; }

  Rank root(Tree tree) const { return rank_at(0, tree); }
  std::optional<Rank> parent(Rank rank, Tree tree, Shape shape = Shape::control) const;
  std::vector<Rank> children(Rank rank, Tree tree, Shape shape = Shape::control) const;
  std::uint32_t depth(Rank rank, Tree tree, Shape shape = Shape::control) const;  // the root's is 0
  std::uint32_t subtree_size(Rank rank, Tree tree) const;  // in the control tree, the rank itself counted

  // Directories hash to trees: all keys of one directory meet the same root.
  Tree tree_of(const Key& key) const;

 private:
  std::uint32_t rotation(Tree tree) const;
  std::uint32_t position(Rank rank, Tree tree) const;
  Rank rank_at(std::uint32_t position, Tree tree) const;

  std::uint32_t ranks_;
  Fanouts fanouts_;
  std::uint32_t trees_;
};

}  // namespace copper
