// Who is whose parent: T k-ary trees over the same ranks. Tree t is the k-ary heap over the ranks in their order,
// rotated by t times the number of interior ranks, so that a rank which forwards in one tree is a leaf in the
// others while T <= fan-out; beyond that the roots stay distinct.
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

class Topology {
 public:
  // ranks >= 1, 1 <= fanout <= limits::fanout_max, 1 <= trees <= limits::trees_max; asserted.
  Topology(std::uint32_t ranks, std::uint32_t fanout, std::uint32_t trees);

  std::uint32_t ranks() const { return ranks_; }
  std::uint32_t fanout() const { return fanout_; }
  std::uint32_t trees() const { return trees_; }

  Rank root(Tree tree) const;
  std::optional<Rank> parent(Rank rank, Tree tree) const;
  std::vector<Rank> children(Rank rank, Tree tree) const;
  std::uint32_t depth(Rank rank, Tree tree) const;            // the root's is 0
  std::uint32_t subtree_size(Rank rank, Tree tree) const;     // the rank itself counted

  // Directories hash to trees: all keys of one directory meet the same root.
  Tree tree_of(const Key& key) const;

 private:
  std::uint32_t position(Rank rank, Tree tree) const;
  Rank rank_at(std::uint32_t position, Tree tree) const;

  std::uint32_t ranks_;
  std::uint32_t fanout_;
  std::uint32_t trees_;
  std::uint32_t rotation_;
};

}  // namespace copper
