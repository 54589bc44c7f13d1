// What may be under way at a time, and what is read ahead.
#include "test/tree/node/node_harness.h"
#include "tree/limits.h"

namespace copper::test {
namespace {

const Topology seven(7, {3, 2}, 1);

Key block(std::uint32_t n, std::uint64_t blocks = 100) {
  return Key::file_block("/d/f", n, {1, blocks * limits::block_bytes, 3, 4});
}
std::vector<std::uint32_t> loads(const Actions& actions) {
  std::vector<std::uint32_t> blocks;
  for (const auto& action : actions)
    if (const auto* load = std::get_if<Load>(&action)) blocks.push_back(load->key.block);
  return blocks;
}
using Blocks = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("so many blocks are under way as find room, and the others wait for their turn") {
  NodeHarness h(0, seven, 12 * limits::block_bytes);  // 3 at a time
  for (std::uint32_t n = 0; n < 3; ++n) CHECK(loads(h.ask(n, block(10 * n))) == Blocks{10 * n});
  CHECK(h.ask(3, block(30)).empty());
  CHECK(h.message(1, Ask{.key = block(40)}).empty());
  CHECK(h.ask(4, block(30)).empty());            // joins
  CHECK(loads(h.ask(5, an_entry)).size() == 1);  // only blocks want so much room
  CHECK(h.node.waiting(h.now, 10)[3].in_line);
  CHECK(h.count(Counter::waited_for_room) == 2);
  CHECK(loads(h.loaded(block(10), large)) == Blocks{30});
  CHECK(loads(h.loaded_error(block(0), EIO)) == Blocks{40});
  CHECK(h.loaded(block(30), large).size() == 2);
  CHECK(h.loaded(block(20), large).size() == 1);
  CHECK(h.loaded(block(40), large).size() == 1);
  CHECK(h.node.store().questions() == 1);
}

TEST_CASE("a question in line whose asker has gone is still asked, and one that was told meanwhile is not") {
  NodeHarness h(1, seven, 8 * limits::block_bytes);  // 2 at a time
  h.ask(0, block(0));
  h.ask(1, block(10));
  h.ask(2, block(20));
  h.ask(3, block(30));
  h.node.on_cancel(client(2));
  h.message(0, told(block(20), 1, small));
  const auto next = h.message(0, answer(block(0), large));
  REQUIRE(next.size() == 2);
  CHECK(sent<Ask>(next, 0, 1).key == block(30));
}

TEST_CASE("a client that reads in order is read ahead of, up to the end of the file") {
  NodeHarness h(0, seven, 400 * limits::block_bytes);
  CHECK(loads(h.ask(0, block(0, 9))) == Blocks{0});
  CHECK(loads(h.ask(1, block(1, 9))) == Blocks{1});
  CHECK(loads(h.ask(2, block(2, 9))) == Blocks{2, 3, 4, 5, 6});
  CHECK(loads(h.ask(3, block(3, 9))) == Blocks{7});
  h.loaded(block(4, 9), large);
  CHECK(loads(h.ask(4, block(4, 9))) == Blocks{8});
  CHECK(loads(h.ask(5, block(5, 9))).empty());
  CHECK(h.count(Counter::read_ahead) == 6);
}

TEST_CASE("who reads here and there, or only for others, is not read ahead of") {
  NodeHarness h(0, seven, 400 * limits::block_bytes);
  for (const std::uint32_t n : {0u, 1u, 5u, 3u, 7u}) CHECK(loads(h.ask(n, block(n))) == Blocks{n});
  for (const std::uint32_t n : {20u, 21u, 22u, 23u})
    CHECK(loads(h.message(1, Ask{.key = block(n)})) == Blocks{n});
}

TEST_CASE("an offer that nobody here asked for drives out nothing that somebody may ask for") {
  NodeHarness h(3, seven, 3 * limits::block_bytes);
  const std::string whole(limits::block_bytes, 'x');
  for (std::uint32_t n = 0; n < 2; ++n) {
    CHECK(h.message(0, offered(block(n), n + 1, whole)).size() == 1);
    h.message(1, answer(block(n), whole));
  }
  CHECK(h.message(0, offered(block(2), 3, whole)).empty());
  CHECK(h.count(Counter::offers_left) == 1);
  CHECK(sent<Ask>(h.ask(1, block(2)), 0).key == block(2));  // who wants it asks

  h.ask(2, block(0));  // all have it now who would ask for it here: it may go
  CHECK(h.message(0, offered(block(3), 4, whole)).size() == 1);
}

TEST_CASE("what is read ahead waits for nobody's room") {
  NodeHarness h(0, seven, 16 * limits::block_bytes);  // 4 at a time
  for (std::uint32_t n = 0; n < 2; ++n) h.ask(n, block(n));
  CHECK(loads(h.ask(2, block(2))) == Blocks{2, 3});
  CHECK(h.count(Counter::waited_for_room) == 0);
}

}  // namespace copper::test
