// The arena while its rank lives.
#include "service/arena.h"

#include <string>
#include <utility>
#include <vector>

#include "test/service/arena_harness.h"

namespace copper {

TEST_CASE("arena bytes come back as written, and their block is freed with the last reference") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0");
  Arena arena(segment);
  CHECK(arena.used() == 0);
  auto bytes = put(arena, Key::entry("/a"), "hello");
  CHECK(bytes.text() == "hello");
  CHECK(arena.used() == 192);
  auto second = bytes;
  bytes = Bytes();
  CHECK(second.text() == "hello");
  CHECK(arena.used() == 192);
  second = Bytes();
  CHECK(arena.used() == 0);
  { auto dropped = arena.allocate(Key::entry("/b"), 1000); }
  CHECK(arena.used() == 0);
  CHECK(arena.copy("")->size() == 0);
}

TEST_CASE("the arena never takes more than its region, and uses all of it") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0");
  Arena arena(segment);
  CHECK(!arena.allocate(Key::entry("/a"), arena_bytes));
  CHECK(!arena.allocate(Key::entry("/a"), ~std::size_t{0} / 2));
  std::vector<Bytes> kept;
  const std::string text(1000, 'x');
  while (auto buffer = arena.allocate(Key::entry("/a"), text.size())) {
    kept.push_back(arena.seal(std::move(*buffer), 1));
  }
  CHECK(arena.used() <= arena.budget());
  CHECK(arena.used() > arena.budget() - 2000);
  CHECK(arena.committed() == arena.budget());
  kept.clear();
  CHECK(arena.used() == 0);
  // Merged again: one piece of nearly everything.
  CHECK(arena.allocate(Key::entry("/a"), arena_bytes - 256));
}

TEST_CASE("the arena commits memory in steps") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0", 3 * arena_step_bytes + 4096);
  Arena arena(segment);
  CHECK(arena.committed() == 0);
  const auto small = arena.allocate(Key::entry("/a"), 1);
  CHECK(arena.committed() == arena_step_bytes);
  const auto large = arena.allocate(Key::entry("/b"), arena_step_bytes);
  REQUIRE(large);
  CHECK(arena.committed() == 2 * arena_step_bytes);
  CHECK(arena.allocate(Key::entry("/c"), 2 * arena_step_bytes - 256));
  CHECK(arena.committed() == arena.budget());
}

TEST_CASE("a leased block outlives its references until the last release") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0");
  Arena arena(segment);
  auto bytes = put(arena, Key::entry("/a"), "hello");
  const auto block = arena.block_of(bytes);
  REQUIRE(block);
  CHECK(!arena.block_of(Bytes::copy_of("hello")));
  arena.lease(*block, 1);
  arena.lease(*block, 1);
  bytes = Bytes();
  CHECK(arena.used() > 0);
  CHECK(arena.release(*block));
  CHECK(arena.used() > 0);
  CHECK(arena.release(*block));
  CHECK(arena.used() == 0);
  CHECK(!arena.release(*block));
  CHECK(!arena.release(*block + 1));
  CHECK(!arena.release(~std::uint64_t{0}));
}

TEST_CASE("the leases of a worker end with its generation") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0");
  Arena arena(segment);
  auto old = put(arena, Key::entry("/old"), "old");
  auto both = put(arena, Key::entry("/both"), "both");
  const auto old_block = *arena.block_of(old);
  const auto both_block = *arena.block_of(both);
  arena.lease(old_block, 1);
  arena.lease(both_block, 1);
  arena.lease(both_block, 2);  // the first one ends with that
  old = both = Bytes();
  arena.end_leases(2);
  CHECK(!arena.release(old_block));
  CHECK(arena.release(both_block));
  CHECK(arena.used() == 0);
}

TEST_CASE("bytes may outlive the arena") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0");
  Bytes bytes;
  {
    Arena arena(segment);
    bytes = put(arena, Key::entry("/a"), "hello");
  }
  CHECK(bytes.text() == "hello");
  bytes = Bytes();
  CHECK(walk(segment) == 0);
}

}  // namespace copper
