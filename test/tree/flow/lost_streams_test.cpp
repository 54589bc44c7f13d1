// Which streams nobody receives: known from the gap, and forgotten in time.
#include "tree/flow/lost_streams.h"

#include <catch2/catch.hpp>
#include <set>

namespace copper {
namespace {

constexpr Rank from{2};
constexpr Tree tree{1};

std::set<std::uint32_t> lost(const LostStreams& streams) {
  std::set<std::uint32_t> numbers;
  streams.for_each([&](Rank rank, Tree in, std::uint32_t number) {
    CHECK(rank == from);
    CHECK(in == tree);
    numbers.insert(number);
  });
  CHECK(streams.empty() == numbers.empty());
  return numbers;
}

}  // namespace

TEST_CASE("streams that begin one after the other lose nothing, all the way round") {
  LostStreams streams(10);
  for (std::uint32_t n = 0; n < 35; ++n) streams.begun(from, tree, n % 10 + 1);
  CHECK(lost(streams).empty());
}

TEST_CASE("after a header that could not be read the gap is lost, for every place and width of it") {
  for (std::uint32_t before = 0; before < 10; ++before) {
    for (std::uint32_t gap = 0; gap < 5; ++gap) {
      LostStreams streams(10);
      for (std::uint32_t n = 0; n < before; ++n) streams.begun(from, tree, n + 1);
      for (std::uint32_t n = 0; n <= gap; ++n) streams.unreadable(from, tree);
      std::set<std::uint32_t> expected;
      for (std::uint32_t n = 0; n < gap; ++n) expected.insert((before + n) % 10 + 1);
      streams.begun(from, tree, (before + gap) % 10 + 1);
      REQUIRE(lost(streams) == expected);
      streams.begun(from, tree, (before + gap + 1) % 10 + 1);
      REQUIRE(lost(streams) == expected);
    }
  }
}

TEST_CASE("a gap without an unreadable header is no gap") {
  LostStreams streams(10);
  streams.begun(from, tree, 4);
  CHECK(lost(streams).empty());
  streams.unreadable(from, tree);
  streams.begun(from, tree, 5);  // what could not be read had no segments
  streams.begun(from, tree, 8);
  CHECK(lost(streams).empty());
}

TEST_CASE("other senders and other trees lose nothing") {
  LostStreams streams(10);
  streams.unreadable(from, tree);
  streams.begun(Rank{5}, tree, 3);
  streams.begun(from, Tree{0}, 3);
  CHECK(streams.empty());
  streams.begun(from, tree, 2);
  CHECK(lost(streams) == std::set<std::uint32_t>{1});
}

TEST_CASE("what is lost is forgotten before its number is used again") {
  LostStreams streams(10);
  streams.begun(from, tree, 1);
  streams.lost(from, tree, 1);
  for (std::uint32_t n = 2; n <= 6; ++n) {
    CHECK(lost(streams).contains(1));
    streams.begun(from, tree, n);
  }
  streams.begun(from, tree, 7);
  CHECK(lost(streams).empty());
}

}  // namespace copper
