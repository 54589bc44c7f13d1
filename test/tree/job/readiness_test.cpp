// Whose mounts answer, on its way up the tree.
#include "tree/job/readiness.h"

#include <deque>
#include <random>

#include "test/tree/node/node_harness.h"
#include "tree/limits.h"

namespace copper::test {
namespace {

const Topology seven(7, {2, 2}, 3);

}  // namespace

TEST_CASE("a leaf says so at once, a second time never") {
  Readiness leaf(Rank{5}, seven);
  Actions out;
  leaf.on_mounted(Instant{}, out);
  CHECK(sent<ReadyRanks>(out, 2).ranks == std::vector{Rank{5}});
  CHECK_FALSE(leaf.deadline());
  leaf.on_mounted(Instant{}, out);
  CHECK(out.size() == 1);
}

TEST_CASE("an interior rank waits for its subtree, or for its time") {
  Readiness interior(Rank{1}, seven);
  Actions out;
  interior.on_mounted(Instant{1s}, out);
  CHECK(out.empty());
  CHECK(interior.deadline() == Instant{1s} + limits::ready_gather);
  CHECK(interior.on_ranks(Rank{3}, {{Rank{3}}}, Instant{1s + 100ms}, out));
  CHECK(out.empty());

  SECTION("complete: all at once") {
    CHECK(interior.on_ranks(Rank{4}, {{Rank{4}}}, Instant{1s + 110ms}, out));
    CHECK(sent<ReadyRanks>(out, 0).ranks == std::vector{Rank{1}, Rank{3}, Rank{4}});
    CHECK_FALSE(interior.deadline());
  }
  SECTION("in time: what there is, then the rest") {
    interior.on_time(Instant{1s + 249ms}, out);
    CHECK(out.empty());
    interior.on_time(Instant{1s + 250ms}, out);
    CHECK(sent<ReadyRanks>(out, 0).ranks == std::vector{Rank{1}, Rank{3}});
    out.clear();
    CHECK(interior.on_ranks(Rank{4}, {{Rank{4}}}, Instant{9s}, out));
    CHECK(sent<ReadyRanks>(out, 0).ranks == std::vector{Rank{4}});
  }
}

TEST_CASE("only a child speaks, and only of its own subtree") {
  Readiness root(Rank{0}, seven);
  Actions out;
  CHECK_FALSE(root.on_ranks(Rank{3}, {{Rank{3}}}, Instant{}, out));
  CHECK_FALSE(root.on_ranks(Rank{7}, {{Rank{7}}}, Instant{}, out));
  CHECK_FALSE(root.on_ranks(Rank{1}, {{Rank{1}, Rank{2}}}, Instant{}, out));
  CHECK_FALSE(root.on_ranks(Rank{1}, {{Rank{0}}}, Instant{}, out));
  CHECK_FALSE(root.on_ranks(Rank{1}, {{Rank{99}}}, Instant{}, out));
  CHECK(root.not_ready().size() == 7);
  CHECK(root.on_ranks(Rank{1}, {{Rank{1}, Rank{3}}}, Instant{}, out));
  CHECK(root.not_ready() == std::vector{Rank{0}, Rank{2}, Rank{4}, Rank{5}, Rank{6}});
}

TEST_CASE("a list longer than a message travels in several") {
  const Topology star(3000, {64, 2}, 1);
  Readiness interior(Rank{1}, star);
  Actions out;
  const auto children = star.children(Rank{1}, first_tree);
  REQUIRE(children.size() == 64);
  const Topology chain(3000, {1, 2}, 1);
  Readiness link(Rank{1}, chain);
  for (std::uint32_t first = 2; first < 2900; first += 1000) {
    ReadyRanks message;
    for (std::uint32_t n = first; n < std::min(first + 1000, 2900u); ++n) message.ranks.push_back(Rank{n});
    CHECK(link.on_ranks(Rank{2}, message, Instant{}, out));
  }
  link.on_time(Instant{1s}, out);
  REQUIRE(out.size() == 3);
  CHECK(sent<ReadyRanks>(out, 0, 0).ranks.size() == limits::ranks_per_message);
  CHECK(sent<ReadyRanks>(out, 0, 2).ranks.size() == 2898 - 2 * limits::ranks_per_message);
}

TEST_CASE("whatever the order of mounting, rank 0 knows exactly who is missing") {
  for (std::uint32_t ranks : {1u, 2u, 7u, 40u}) {
    std::mt19937 random(ranks);
    const Topology topology(ranks, {3, 2}, 2);
    std::vector<Readiness> all;
    for (std::uint32_t n = 0; n < ranks; ++n) all.emplace_back(Rank{n}, topology);
    std::vector<Rank> order;
    for (std::uint32_t n = 0; n < ranks; ++n) order.push_back(Rank{n});
    std::shuffle(order.begin(), order.end(), random);
    Instant now{};
    for (std::size_t mounted = 0; mounted < ranks; ++mounted) {
      CHECK_FALSE(all[0].all_ready());
      std::deque<std::pair<Rank, Send>> way;
      const auto post = [&](Rank from, Actions& actions) {
        for (auto& action : actions) way.emplace_back(from, std::get<Send>(std::move(action)));
        actions.clear();
      };
      Actions out;
      all[number(order[mounted])].on_mounted(now, out);
      post(order[mounted], out);
      for (int quiet = 0; quiet < 2;) {
        if (way.empty()) {  // let all deadlines pass
          ++quiet;
          for (std::uint32_t n = 0; n < ranks; ++n) {
            now += limits::ready_gather;
            all[n].on_time(now, out);
            post(Rank{n}, out);
          }
          continue;
        }
        quiet = 0;
        const auto [from, send] = std::move(way.front());
        way.pop_front();
        REQUIRE(all[number(send.to)].on_ranks(from, std::get<ReadyRanks>(send.message), now, out));
        post(send.to, out);
      }
      std::vector<Rank> missing(order.begin() + static_cast<std::ptrdiff_t>(mounted) + 1, order.end());
      std::sort(missing.begin(), missing.end());
      REQUIRE(all[0].not_ready() == missing);
    }
    CHECK(all[0].all_ready());
  }
}

}  // namespace copper::test
