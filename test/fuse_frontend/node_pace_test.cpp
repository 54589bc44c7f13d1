// Two lanes of a node that read storage without its rank.
#include "fuse_frontend/rank/node_pace.h"

#include <catch2/catch.hpp>

namespace copper {
namespace {

using namespace std::chrono_literals;

constexpr Instant start{10s};

// How many operations two lanes begin in so many seconds, who both ask whenever they are told that they may.
int begun(NodePace& pace, Instant from, std::chrono::seconds time) {
  int count = 0;
  for (auto now = from; now < from + time; now = std::max(now + 1ms, pace.due(now))) {
    for (int lane = 0; lane < 2; ++lane) count += pace.take(1, now) ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST_CASE("the lanes of a node share what is the node's, where that is least too") {
  std::atomic<std::uint32_t> ranks{10'624};
  NodePace pace(direct_per_second, ranks);
  const auto count = begun(pace, start, 20s);
  CHECK(count <= 1.1 * 20 * direct_per_second_and_node);
  CHECK(count >= 0.9 * 20 * direct_per_second_and_node);
}

TEST_CASE("as long as nobody has said how many nodes there are, each takes the least; then its share") {
  std::atomic<std::uint32_t> ranks{0};
  NodePace pace(direct_per_second, ranks);
  CHECK(begun(pace, start, 10s) <= 1.1 * 10 * direct_per_second_and_node);
  ranks = 100;
  const auto count = begun(pace, start + 10s, 10s);
  CHECK(count <= 1.1 * 10 * direct_per_second / 100);
  CHECK(count >= 0.9 * 10 * direct_per_second / 100);
}

}  // namespace copper
