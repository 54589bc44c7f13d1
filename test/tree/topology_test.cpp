// Trees: exhaustive for every number of ranks and every fan-out up to 64.
#include "tree/topology.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "tree/limits.h"

namespace copper {
namespace {

constexpr std::uint32_t exhaustive = 64;

template <class Check>
void each_topology(Check check) {
  for (std::uint32_t ranks = 1; ranks <= exhaustive; ++ranks)
    for (std::uint32_t fanout = 1; fanout <= exhaustive; ++fanout)
      for (const auto trees : std::set<std::uint32_t>{1, 2, 3, 7, fanout})
        check(Topology(ranks, {.control = fanout, .bulk = (fanout + ranks) % 5 + 1}, trees));
}

constexpr std::array shapes{Shape::control, Shape::bulk};

template <class Check>
void each_rank_and_tree(const Topology& topology, Check check) {
  for (std::uint32_t t = 0; t < topology.trees(); ++t)
    for (std::uint32_t r = 0; r < topology.ranks(); ++r) check(Rank{r}, Tree{t});
}

std::string named(const Topology& topology) {
  return std::to_string(topology.ranks()) + " ranks, fan-outs " +
         std::to_string(topology.fanout(Shape::control)) + " and " +
         std::to_string(topology.fanout(Shape::bulk)) + ", trees " + std::to_string(topology.trees());
}

// Catch's assertions cost too much for each of millions of ranks: one for each topology.
template <class Holds>
void holds_everywhere(Holds holds) {
  each_topology([&](const Topology& topology) {
    if (!holds(topology)) FAIL(named(topology));
  });
  SUCCEED();
}

std::set<Rank> interior(const Topology& topology, Tree tree) {
  std::set<Rank> ranks;
  for (std::uint32_t r = 0; r < topology.ranks(); ++r)
    if (!topology.children(Rank{r}, tree).empty()) ranks.insert(Rank{r});
  return ranks;
}

}  // namespace

TEST_CASE("a rank is a child of its parent and the parent of its children") {
  holds_everywhere([](const Topology& topology) {
    bool holds = true;
    std::vector<int> named(std::size_t{2} * topology.trees() * topology.ranks());  // how often, as a child
    const auto place = [&](Rank rank, Tree tree, Shape shape) {
      return (number(tree) * std::size_t{2} + (shape == Shape::bulk ? 1 : 0)) * topology.ranks() +
             number(rank);
    };
    each_rank_and_tree(topology, [&](Rank rank, Tree tree) {
      for (const auto shape : shapes) {
        const auto children = topology.children(rank, tree, shape);
        holds = holds && children.size() <= topology.fanout(shape);
        for (const auto child : children) {
          holds = holds && topology.parent(child, tree, shape) == rank;
          ++named[place(child, tree, shape)];
        }
      }
    });
    each_rank_and_tree(topology, [&](Rank rank, Tree tree) {
      for (const auto shape : shapes)
        holds = holds && named[place(rank, tree, shape)] == (topology.parent(rank, tree, shape) ? 1 : 0);
    });
    return holds;
  });
}

TEST_CASE("both shapes of a tree have one root, and the root of the first is rank 0") {
  holds_everywhere([](const Topology& topology) {
    bool holds = topology.root(first_tree) == Rank{0};
    std::vector<std::uint32_t> roots(topology.trees());
    each_rank_and_tree(topology, [&](Rank rank, Tree tree) {
      const bool root = topology.root(tree) == rank;
      for (const auto shape : shapes)
        holds = holds && root == !topology.parent(rank, tree, shape) &&
                root == (topology.depth(rank, tree, shape) == 0);
      roots[number(tree)] += root ? 1 : 0;
    });
    for (const auto n : roots) holds = holds && n == 1;
    return holds;
  });
}

TEST_CASE("a child is one deeper than its parent") {
  holds_everywhere([](const Topology& topology) {
    bool holds = true;
    each_rank_and_tree(topology, [&](Rank rank, Tree tree) {
      for (const auto shape : shapes)
        if (const auto parent = topology.parent(rank, tree, shape))
          holds = holds && topology.depth(rank, tree, shape) == topology.depth(*parent, tree, shape) + 1;
    });
    return holds;
  });
}

TEST_CASE("a subtree is its rank and its children's subtrees, and the root's is everyone") {
  holds_everywhere([](const Topology& topology) {
    bool holds = true;
    each_rank_and_tree(topology, [&](Rank rank, Tree tree) {
      std::uint32_t size = 1;
      for (const auto child : topology.children(rank, tree)) size += topology.subtree_size(child, tree);
      holds = holds && topology.subtree_size(rank, tree) == size;
    });
    return holds && topology.subtree_size(Rank{0}, first_tree) == topology.ranks();
  });
}

TEST_CASE("a rank that forwards in one tree is a leaf in the others, where there are ranks enough") {
  holds_everywhere([](const Topology& topology) {
    std::size_t interior_ranks = 0;
    std::set<Rank> all;
    for (std::uint32_t t = 0; t < topology.trees(); ++t) {
      const auto forwarding = interior(topology, Tree{t});
      interior_ranks += forwarding.size();
      all.insert(forwarding.begin(), forwarding.end());
    }
    const bool enough = interior_ranks <= topology.ranks();
    const bool promised =
        topology.trees() < topology.fanout(Shape::control) &&
        topology.ranks() >= topology.fanout(Shape::control) * topology.fanout(Shape::control);
    return (!promised || enough) && (!enough || all.size() == interior_ranks);
  });
}

TEST_CASE("the roots are distinct while there are no more trees than ranks") {
  holds_everywhere([](const Topology& topology) {
    std::set<Rank> roots;
    for (std::uint32_t t = 0; t < topology.trees(); ++t) roots.insert(topology.root(Tree{t}));
    return roots.size() == std::min(topology.trees(), topology.ranks());
  });
}

TEST_CASE("the largest fan-out and the most trees over very many ranks do not overflow") {
  const Topology topology(0xffff'ffff, {limits::fanout_max, limits::fanout_max}, limits::trees_max);
  const Rank last{0xffff'fffe};
  const Tree tree{limits::trees_max - 1};
  CHECK(topology.children(last, first_tree).empty());
  CHECK(topology.subtree_size(topology.root(tree), tree) == topology.ranks());
  CHECK(topology.depth(last, first_tree) == 6);
  for (const auto child : topology.children(topology.root(tree), tree))
    CHECK(topology.parent(child, tree) == topology.root(tree));
}

TEST_CASE("keys of one directory have one tree, and directories spread over the trees") {
  const Topology topology(100, {8, 2}, 4);
  std::vector<int> directories(topology.trees());
  for (int i = 0; i < 1000; ++i) {
    const auto directory = "/lus/d" + std::to_string(i);
    const auto tree = topology.tree_of(Key::listing(directory));
    CHECK(topology.tree_of(Key::listing_block(directory, 3, 7)) == tree);
    CHECK(topology.tree_of(Key::entry(directory + "/x")) == tree);
    CHECK(topology.tree_of(Key::file_block(directory + "/y", 5, {1, 2, 3, 4})) == tree);
    ++directories[number(tree)];
  }
  for (const auto n : directories) CHECK(n > 150);
}

}  // namespace copper
