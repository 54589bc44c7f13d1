// The index alone, and a writer who uses memory again under a reader who copies it.
#include "service/segment/shared_index.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace copper {
namespace {

constexpr std::int64_t later = 1000;

struct Table {
  explicit Table(std::size_t buckets) : memory(buckets), index(memory) {}
  std::vector<segment::IndexBucket> memory;
  SharedIndex index;
};

}  // namespace

TEST_CASE("what was inserted is found where it lies, until it is erased") {
  Table table(4);
  auto& index = table.index;
  CHECK(!index.find(7));
  index.insert(7, 64, later);
  const auto seen = index.find(7);
  REQUIRE(seen);
  CHECK(seen->block == 64);
  CHECK(seen->fresh_until_ns == later);
  CHECK(SharedIndex::unchanged(*seen));
  CHECK(!index.find(8));
  index.erase(8);
  CHECK(index.find(7));
  index.erase(7);
  CHECK(!index.find(7));
  CHECK(!SharedIndex::unchanged(*seen));
}

TEST_CASE("new freshness leaves a reader what it is reading, another place does not") {
  Table table(1);
  auto& index = table.index;
  index.insert(7, 64, later);
  const auto seen = index.find(7);
  index.insert(7, 64, later + 1);
  CHECK(SharedIndex::unchanged(*seen));
  CHECK(index.find(7)->fresh_until_ns == later + 1);
  index.insert(7, 128, later);
  CHECK(!SharedIndex::unchanged(*seen));
  CHECK(index.find(7)->block == 128);
}

TEST_CASE("what was erased and inserted again is not what a reader saw before") {
  Table table(1);
  auto& index = table.index;
  index.insert(7, 64, later);
  const auto seen = index.find(7);
  index.erase(7);
  index.insert(7, 64, later);
  CHECK(!SharedIndex::unchanged(*seen));
  CHECK(index.find(7));
}

TEST_CASE("a full bucket gives one place to the newest, and loses no other") {
  Table table(2);
  auto& index = table.index;
  for (std::uint64_t n = 0; n < 9; ++n) index.insert(2 * n, 64 * n, later);  // all in the first bucket
  CHECK(index.find(16));
  int found = 0;
  for (std::uint64_t n = 0; n < 8; ++n) found += index.find(2 * n) ? 1 : 0;
  CHECK(found == 7);
}

TEST_CASE("a successor sees what was shown, and goes on from there") {
  Table table(2);
  auto& index = table.index;
  for (std::uint64_t n = 0; n < 16; ++n) index.insert(n, 64 * n, later);
  const auto seen = index.find(3);
  const auto shown = index.shown();
  CHECK(shown.size() == 16);
  CHECK(shown.at(3).block == 192);
  CHECK(shown.at(3).fresh_until_ns == later);
  CHECK(SharedIndex::unchanged(*seen));
  for (std::uint64_t n = 0; n < 16; n += 2) index.insert(n, 64 * n, later);
  for (std::uint64_t n = 1; n < 16; n += 2) index.erase(n);
  for (std::uint64_t n = 0; n < 16; ++n) CHECK(index.find(n).has_value() == (n % 2 == 0));
  CHECK(index.shown().size() == 8);
}

// Two places of memory, and a writer that fills them with one number after another, as an arena does: erased
// before it is written, inserted when it is complete.
TEST_CASE("whoever finds the index unchanged has copied whole blocks of the key that it looked for") {
  Table table(1);
  auto& index = table.index;
  constexpr std::size_t words = 64;
  using Place = std::array<std::atomic<std::uint64_t>, words>;
  std::array<Place, 2> places{};
  std::atomic<bool> seen_enough{false};
  std::thread writer([&] {
    for (std::uint64_t round = 1; !seen_enough; ++round) {
      const auto which = round % 2;
      index.erase(which);
      for (auto& word : places[which]) word.store(round, std::memory_order_relaxed);
      index.insert(which, which, later);
    }
  });
  std::uint64_t whole = 0, torn = 0, last = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (whole < 20'000 && std::chrono::steady_clock::now() < deadline) {
    const auto seen = index.find(1);
    if (!seen) continue;
    std::array<std::uint64_t, words> copy;
    for (std::size_t n = 0; n < words; ++n) copy[n] = places[seen->block][n].load(std::memory_order_relaxed);
    if (!SharedIndex::unchanged(*seen)) continue;
    ++whole;
    for (const auto word : copy) torn += word != copy[0] || word % 2 != 1 ? 1 : 0;
    torn += copy[0] < last ? 1 : 0;
    last = copy[0];
  }
  seen_enough = true;
  writer.join();
  CHECK(torn == 0);
  CHECK(whole > 0);
}

}  // namespace copper
