// What ranks have counted and timed, summed in any order, whole or in portions.
#include "tree/profile/profile.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "tree/limits.h"

namespace copper::test {
namespace {

constexpr std::uint32_t ranks = 40;

Profile random_profile(std::uint32_t rank, std::mt19937& random, std::size_t paths = 1000) {
  Profile profile(paths);
  for (int n = 0; n < 120; ++n) profile.counters.push_back(Spread::of(random() % 1000, Rank{rank}));
  profile.operations.resize(20);
  for (int n = 0; n < 300; ++n)
    profile.operations[random() % 20].add(std::uint64_t{1} << (random() % 30), random() % 100,
                                          random() % 7 == 0);
  for (int n = 0; n < 50; ++n) profile.timeline.add(random() % 2000, {1, random() % 10, 3, 4, 5});
  for (int n = 0; n < 200; ++n)
    profile.add({{Kind{static_cast<std::uint8_t>(1 + random() % 4)}, "/p/" + std::to_string(random() % 300)},
                 {random() % 5, random() % 5, random() % 5, random() % 5, random() % 5}});
  profile.loads.push_back({Rank{rank}, random() % 100, random() % 100, 3, 4, 5, 6});
  profile.timings.push_back({Rank{rank}, 100 + rank, std::nullopt, Kind{}});
  if (rank % 2 == 0) profile.timings.back() = {Rank{rank}, 100 + rank, 1000 + rank, Kind::entry};
  return profile;
}

void require_equal(const Profile& a, const Profile& b) {
  REQUIRE(a.counters == b.counters);
  REQUIRE(a.operations == b.operations);
  REQUIRE(a.timeline == b.timeline);
  REQUIRE(a.paths() == b.paths());
  REQUIRE(a.loads == b.loads);
  REQUIRE(a.timings == b.timings);
  REQUIRE(a.left_out() == b.left_out());
  REQUIRE(a.portions_lost == b.portions_lost);
}

}  // namespace

TEST_CASE("a microsecond and each power of two has its bucket") {
  CHECK(Latencies::bucket_of(0) == 0);
  CHECK(Latencies::bucket_of(1) == 0);
  CHECK(Latencies::bucket_of(2) == 1);
  CHECK(Latencies::bucket_of(3) == 2);
  for (std::size_t b = 1; b < Latencies::bounded; ++b) {
    REQUIRE(Latencies::bucket_of(Latencies::bound_of(b)) == b);
    REQUIRE(Latencies::bucket_of(Latencies::bound_of(b) + 1) == b + 1);
  }
  CHECK(Latencies::bucket_of(UINT64_MAX) == Latencies::bounded);
}

TEST_CASE("a percentile is the bound of its bucket, and never more than the longest") {
  Latencies latencies;
  CHECK(latencies.percentile(50) == 0);
  for (int n = 0; n < 90; ++n) latencies.add(3);
  for (int n = 0; n < 9; ++n) latencies.add(100);
  latencies.add(70'000'000, 5, true);
  CHECK(latencies.count() == 100);
  CHECK(latencies.percentile(50) == 4);
  CHECK(latencies.percentile(90) == 4);
  CHECK(latencies.percentile(91) == 128);
  CHECK(latencies.percentile(99) == 128);
  CHECK(latencies.percentile(100) == 70'000'000);
  CHECK((latencies.errors == 1 && latencies.bytes == 5 && latencies.max_us == 70'000'000));
  Latencies one;
  one.add(3);
  CHECK(one.percentile(99) == 3);
}

TEST_CASE("a time line is bounded, and sums up to the same however wide its rows are") {
  Activities narrow;
  Activities wide;
  for (std::uint64_t second = 0; second < 100; ++second) narrow.add(second, {1, 2, 3, 4, 5});
  for (std::uint64_t second = 0; second < 5000; second += 7) wide.add(second, {1, 2, 3, 4, 5});
  CHECK(narrow.width() == 1);
  CHECK(wide.width() == 16);
  CHECK(wide.rows().size() <= Activities::rows_max);
  auto one = narrow;
  one.add(wide);
  auto other = wide;
  other.add(narrow);
  CHECK(one == other);
  Activity sum;
  for (const auto& row : one.rows()) sum.add(row);
  CHECK(sum == Activity{815, 1630, 2445, 3260, 4075});
}

TEST_CASE("paths are counted exactly while there is room for them") {
  PathCounts counts(3);
  const auto key = [](int n) { return Key::entry("/" + std::to_string(n)); };
  for (int n = 0; n < 3; ++n)
    for (int times = 0; times <= n; ++times) counts.add(key(n), {.asks = 1});
  counts.add(key(1), {.hits = 1});
  counts.add(key(1), {.absent = 1});
  counts.add(key(7), {.bytes = 9});  // alone: nobody asked
  auto all = counts.all();
  std::ranges::sort(all, before);
  REQUIRE(all.size() == 3);
  CHECK(all[0].count == PathCount{3, 0, 0, 0, 0});
  CHECK(all[1].count == PathCount{2, 1, 0, 0, 1});
  CHECK(counts.left_out() == 0);
}

TEST_CASE(
    "a path that is asked for often stays, however many others pass through, and no count is too high") {
  PathCounts counts(50);
  std::map<std::string, std::uint64_t> truth;
  std::mt19937 random(3);
  std::uint64_t total = 0;
  for (int n = 0; n < 20000; ++n, ++total) {
    const auto often = random() % 4 == 0;
    const auto path = (often ? "/often/" : "/seldom/") + std::to_string(often ? random() % 5 : random());
    ++truth[path];
    counts.add(Key::entry(path), {.asks = 1});
  }
  std::size_t found = 0;
  for (const auto& counted : counts.all()) {
    REQUIRE(counted.count.asks <= truth[counted.asked.path.str()]);
    if (counted.asked.path.str().starts_with("/often/")) {
      ++found;
      CHECK(counted.count.asks > truth[counted.asked.path.str()] * 9 / 10);
    }
  }
  CHECK(found == 5);
  CHECK(counts.all().size() == 50);
  CHECK(counts.left_out() >= truth.size() - 50);
}

TEST_CASE("profiles sum up to the same in any order and grouping, and in portions") {
  std::mt19937 random(11);
  std::vector<Profile> all;
  for (std::uint32_t rank = 0; rank < ranks; ++rank) all.push_back(random_profile(rank, random));
  Profile forward(1000);
  for (const auto& profile : all) forward.add(profile);
  auto backward = forward.empty();
  std::ranges::reverse(all);
  for (const auto& profile : all) backward.add(profile);
  require_equal(forward, backward);

  auto portions = forward.portions();
  for (const auto& portion : portions) REQUIRE(portion.size() <= limits::portion_bytes);
  std::ranges::shuffle(portions, random);
  auto again = forward.empty();
  for (const auto& portion : portions) REQUIRE(again.add_portion(portion, ranks));
  require_equal(forward, again);
  CHECK(forward.counters[0].ranks == ranks);
  CHECK(forward.timings.size() == ranks);
}

TEST_CASE("a profile keeps the paths that are asked for most, and says how many it does not") {
  Profile profile(3);
  for (std::uint64_t n = 1; n <= 10; ++n) profile.add({{Kind::entry, "/" + std::to_string(n)}, {.asks = n}});
  REQUIRE(profile.paths().size() == 3);
  CHECK(profile.paths()[0].asked.path.str() == "/10");
  CHECK(profile.left_out() == 7);
  Profile above(3);
  for (const auto& portion : profile.portions()) CHECK(above.add_portion(portion, 1));
  CHECK(above.paths() == profile.paths());
  CHECK(above.left_out() == 7);
  CHECK(Profile().portions().empty());
}

TEST_CASE("the busiest ranks are kept, the least number first where they are alike") {
  Profile all;
  for (std::uint32_t rank = 0; rank < 1000; ++rank) {
    Profile one;
    one.loads.push_back({Rank{rank}, 0, rank % 10, 0, 0, 0, 0});
    all.add(one);
  }
  REQUIRE(all.loads.size() == Profile::loads_max);
  CHECK(number(all.loads[0].rank) == 9);
  CHECK(number(all.loads[1].rank) == 19);
}

TEST_CASE("a portion that is damaged, or of another program, is refused or means something") {
  std::mt19937 random(5);
  const auto profile = random_profile(3, random);
  const auto portions = profile.portions();
  for (const auto& portion : portions) {
    auto like = profile.empty();
    for (std::size_t size = 0; size < portion.size(); size += 1 + size / 16)
      REQUIRE_FALSE(like.add_portion(std::span(portion).first(size), ranks));
    require_equal(like, profile.empty());
    for (int n = 0; n < 200; ++n) {
      auto damaged = portion;
      damaged[random() % damaged.size()] = static_cast<std::byte>(random());
      (void)like.add_portion(damaged, ranks);
    }
    for (const auto& timing : like.timings) REQUIRE(number(timing.rank) < ranks);
    for (const auto& load : like.loads) REQUIRE(number(load.rank) < ranks);
  }
  Profile other(10);
  other.counters.resize(1);
  CHECK_FALSE(other.add_portion(portions.front(), ranks));
  CHECK_FALSE(profile.empty().add_portion(portions.front(), 3));  // rank 3 is none of three
}

}  // namespace copper::test
