#include "fuse_frontend/rank/pace.h"

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
  Pace pace(100, 10, 1, start);
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
  Pace pace(100, 10, 1, start);
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

TEST_CASE("a clock that goes back neither gives nor takes") {
  Pace pace(100, 10, 0, start);
  CHECK(pace.may(start + 50ms));
  pace.costs(5, start + 50ms);
  CHECK_FALSE(pace.may(start));
  CHECK_FALSE(pace.may(start + 50ms));
}

}  // namespace copper
