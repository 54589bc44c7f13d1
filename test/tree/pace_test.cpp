#include "tree/pace.h"

#include <array>
#include <catch2/catch.hpp>

namespace copper {
namespace {

using namespace std::chrono_literals;

constexpr Instant start{10s};

// How many of one token each are let through in so long.
int passed(Pace& pace, Instant from, Duration time) {
  int count = 0;
  for (auto now = from; now < from + time; now = std::max(now + 1ms, std::min(pace.due(now), from + time))) {
    while (pace.may(now)) {
      pace.costs(1, now);
      ++count;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("a pace lets through what it saved up, then so many a second") {
  Pace pace(100, 10, 10, start);
  int at_once = 0;
  for (; pace.may(start); ++at_once) pace.costs(1, start);
  CHECK(at_once == 10);
  CHECK(pace.due(start) > start);
  CHECK(pace.due(start) <= start + 10ms);
  CHECK_FALSE(pace.may(start + 9ms));
  CHECK(pace.may(pace.due(start)));
  const auto second = passed(pace, start, 1s);
  CHECK(second >= 99);
  CHECK(second <= 101);
}

TEST_CASE("what turns out to have cost more is paid off before the next") {
  Pace pace(100, 10, 10, start);
  pace.costs(210, start);
  CHECK_FALSE(pace.may(start + 1900ms));
  CHECK(pace.may(start + 2010ms));
}

TEST_CASE("those that begin with nothing saved up wait for their first, at least one in time") {
  Pace pace(5, 0.5, 0, start);
  CHECK_FALSE(pace.may(start));
  CHECK_FALSE(pace.may(start + 199ms));
  CHECK(pace.due(start) <= start + 201ms);
  CHECK(pace.may(pace.due(start)));
}

TEST_CASE(
    "ten thousand that begin at once and never rest stay at their pace in every second, the first too") {
  constexpr std::size_t nodes = 10'624;
  constexpr double bound = nodes * direct_per_second_and_node;
  std::array<double, 20> asked{};  // in each second
  for (std::size_t n = 0; n < nodes; ++n) {
    auto pace = direct_pace(direct_per_second, nodes, static_cast<double>(n) / nodes, start);
    std::size_t read = 0;  // all the same, which is the worst
    for (auto now = pace.due(start);; now = pace.due(now), ++read) {
      const auto second = static_cast<std::size_t>((now - start) / 1s);
      if (second >= asked.size()) break;
      const auto operations = direct_operations(read % 3 == 0 ? Kind::listing : Kind::block);
      pace.costs(operations, now);
      asked[second] += operations;
    }
  }
  for (const auto count : asked) {
    CHECK(count <= 1.1 * bound);
    CHECK(count >= 0.9 * bound);
  }
}

TEST_CASE("a few share what is the whole job's, however few they are") {
  auto pace = direct_pace(20'000, 8, 0, start);
  CHECK(passed(pace, start, 1s) <= 2'500 + 250);
  auto late = direct_pace(20'000, 8, 1, start);
  CHECK(passed(late, start, 1s) >= 2'490);
}

TEST_CASE("a clock that goes back neither gives nor takes") {
  Pace pace(100, 10, 0, start);
  CHECK(pace.may(start + 50ms));
  pace.costs(5, start + 50ms);
  CHECK_FALSE(pace.may(start));
  CHECK_FALSE(pace.may(start + 50ms));
}

}  // namespace copper
