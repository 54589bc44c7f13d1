// ESTALE's way back: what named a version that is gone expires at every rank, before anyone is told.
#include "test/tree/node/node_harness.h"
#include "tree/limits.h"
#include "tree/node/node.h"

namespace copper::test {
namespace {

// One tree of fan-out 2: 0 above 1 and 2, 1 above 3 and 4.
const Topology seven(7, {2, 2}, 1);

}  // namespace

TEST_CASE("before ESTALE is told, what named the version has expired everywhere") {
  NodeHarness h(0, seven);
  h.ask(1, an_entry);
  h.loaded(an_entry, "attributes", 2s);
  h.ask(1, a_listing);
  h.loaded(a_listing, "names", 2s);
  h.ask(1, a_block);
  const auto out = h.loaded_error(a_block, ESTALE);
  REQUIRE(out.size() == 4);
  CHECK(sent<Expire>(out, 1, 0).key == a_block);
  CHECK(sent<Expire>(out, 2, 1).key == a_block);
  CHECK(action<Notice>(out, 2).key == a_block);
  CHECK(action<Reply>(out, 3).outcome.value.error() == Errno{ESTALE});
  CHECK(h.count(Counter::expired) == 2);

  // Read anew: storage would find the directory unchanged where only a file in it has changed.
  CHECK_FALSE(action<Load>(h.ask(1, an_entry)).previous.has_value());
  CHECK_FALSE(action<Load>(h.ask(2, a_listing)).previous.has_value());
  h.loaded(a_listing, "names", 2s);
  h.now += 2s;
  CHECK(action<Load>(h.ask(2, a_listing)).previous.has_value());
}

TEST_CASE("a block of a former listing expires the listing") {
  NodeHarness h(0, seven);
  const auto page = Key::listing_block("/d", 2, 99);
  h.ask(1, a_listing);
  h.loaded(a_listing, "names", 2s);
  h.ask(1, page);
  const auto out = h.loaded_error(page, ESTALE);
  CHECK(sent<Expire>(out, 1, 0).key == page);
  CHECK(action<Notice>(out, 2).key == page);
  CHECK_FALSE(action<Load>(h.ask(2, a_listing)).previous.has_value());
}

TEST_CASE("many readers of one version that is gone cost one expiry, in a while") {
  NodeHarness h(0, seven);
  h.ask(1, a_block);
  CHECK(h.loaded_error(a_block, ESTALE).size() == 4);
  h.ask(1, a_listing);
  h.loaded(a_listing, "names, read since", 2s);

  auto next_block = a_block;
  next_block.block = 1;
  h.ask(2, next_block);
  CHECK(h.loaded_error(next_block, ESTALE).size() == 1);
  CHECK(h.ask(1, a_listing).size() == 1);
  CHECK(h.count(Counter::client_hits) == 1);

  auto other_version = a_block;
  ++other_version.version.inode;
  h.ask(2, other_version);
  CHECK(h.loaded_error(other_version, ESTALE).size() == 4);

  h.now += limits::expiry_pause;
  h.ask(2, a_block);
  CHECK(h.loaded_error(a_block, ESTALE).size() == 4);
}

TEST_CASE("ESTALE for what names no version expires nothing") {
  NodeHarness h(0, seven);
  h.ask(1, an_entry);
  CHECK(h.loaded_error(an_entry, ESTALE).size() == 1);
  h.ask(1, a_listing);
  CHECK(h.loaded_error(a_listing, ESTALE).size() == 1);
}

TEST_CASE("other bytes for the same block expire what named it, then are answered") {
  NodeHarness h(0, seven);
  h.ask(1, a_block);
  h.loaded(a_block, "young", 2s);
  h.now += 2s;
  h.ask(1, a_block);
  const auto out = h.loaded(a_block, "other");
  REQUIRE(out.size() == 4);
  sent<Expire>(out, 1, 0);
  action<Notice>(out, 2);
  CHECK(text(action<Reply>(out, 3)) == "other");

  h.ask(2, a_listing);
  h.loaded(a_listing, "names", 2s);
  h.now += 2s;
  h.ask(2, a_listing);
  CHECK(h.loaded(a_listing, "more names").size() == 1);  // a listing may change
}

TEST_CASE("an expiry from the parent is passed on, noticed, and renews by tag") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.message(0, answer(an_entry, "attributes"));
  const auto out = h.message(0, Expire{a_block});
  REQUIRE(out.size() == 3);
  sent<Expire>(out, 3, 0);
  sent<Expire>(out, 4, 1);
  CHECK(action<Notice>(out, 2).key == a_block);
  CHECK(sent<Ask>(h.ask(1, an_entry), 0).have == tag("attributes"));
}

TEST_CASE("a load that an expiry overtook is repeated, and overtaken again and again it is not trusted") {
  NodeHarness h(0, seven);
  h.ask(1, an_entry);
  h.ask(2, a_block);
  h.loaded_error(a_block, ESTALE);
  const auto repeated = h.loaded(an_entry, "old?", 2s);
  REQUIRE(repeated.size() == 1);
  CHECK_FALSE(action<Load>(repeated).previous.has_value());

  SECTION("the second load is trusted") {
    const auto out = h.loaded(an_entry, "new", 2s);
    CHECK(text(action<Reply>(out)) == "new");
    CHECK(h.ask(3, an_entry).size() == 1);
    CHECK(h.count(Counter::client_hits) == 1);
  }
  SECTION("overtaken each time it is answered in the end, stale and suspect") {
    for (std::uint32_t n = 1;; ++n) {
      h.now += limits::expiry_pause;
      h.ask(2, a_block);
      h.loaded_error(a_block, ESTALE);
      if (n == limits::load_repeats) break;
      CHECK(action<Load>(h.loaded(an_entry, "old?", 2s)).key == an_entry);
    }
    const auto out = h.loaded(an_entry, "new?", 2s);
    CHECK(text(action<Reply>(out)) == "new?");
    CHECK_FALSE(action<Reply>(out).outcome.fresh(h.now));
    CHECK_FALSE(action<Load>(h.ask(3, an_entry)).previous.has_value());
  }
}

TEST_CASE("below the root an answer after an expiry is a new one") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.message(0, Expire{a_block});
  const auto out = h.message(0, answer(an_entry, "new", 2s));
  CHECK(text(action<Reply>(out)) == "new");
  CHECK(h.node.store().ready(an_entry)->outcome.fresh(h.now));
}

// ---- clearing ----

namespace {

const Key another = Key::file_block("/d/other", 0, {5, 2, 3, 4});

}  // namespace

TEST_CASE("what tells of a path is forgotten, and nothing else") {
  for (const auto& key : {Key::entry("/d/f"), a_block, Key::listing("/d/f"), Key::listing("/d"),
                          Key::entry("/d/f/below"), Key::filesystem("/d/f")})
    CHECK(tells_of(key, "/d/f"));
  for (const auto& key :
       {Key::entry("/d"), Key::entry("/d/fg"), another, Key::listing("/"), Key::listing("/d/e")})
    CHECK_FALSE(tells_of(key, "/d/f"));
  CHECK(tells_of(Key::entry("/"), "/"));
  CHECK(tells_of(another, "/"));

  NodeHarness f(0, {3, {2, 2}, 1});
  for (const auto& key : {a_listing, an_entry, a_block, another}) {
    f.ask(1, key);
    f.loaded(key, "old");
  }
  f.node.clear(first_tree, "/d/f");
  CHECK(f.node.store().outcomes() == 1);
  CHECK(f.node.store().ready(another) != nullptr);
  CHECK(f.count(Counter::cleared) == 3);
  CHECK_FALSE(action<Load>(f.ask(1, a_listing)).previous);  // nothing to be found unchanged
}

TEST_CASE("only the keys of the tree that a clear comes down are cleared") {
  const Topology topology(3, {2, 2}, 2);
  const auto mine = topology.tree_of(an_entry);
  NodeHarness f(number(topology.root(mine)), topology);
  f.ask(1, an_entry);
  f.loaded(an_entry, "old");
  f.node.clear(Tree{1 - number(mine)}, "/");
  CHECK(f.node.store().outcomes() == 1);
  f.node.clear(mine, "/");
  CHECK(f.node.store().outcomes() == 0);
}

TEST_CASE("a load that a clear overtakes is repeated without what was known, however often it was") {
  NodeHarness f(0, {3, {2, 2}, 1});
  for (std::uint32_t n = 0; n < 3 * limits::load_repeats; ++n) {
    if (n == 0) f.ask(1, an_entry);
    f.node.clear(first_tree, "/");
    CHECK_FALSE(action<Load>(f.loaded(an_entry, "old")).previous);
  }
  CHECK(text(action<Reply>(f.loaded(an_entry, "new"))) == "new");
  CHECK(f.node.store().ready(an_entry)->outcome.fresh(f.now + 1h));
}

TEST_CASE("below the root an answer that comes after the clear is taken") {
  NodeHarness f(1, {3, {2, 2}, 1});
  f.ask(1, an_entry);
  f.node.clear(first_tree, "/");
  CHECK(text(action<Reply>(f.message(0, answer(an_entry, "new")))) == "new");
}

TEST_CASE("bytes that were arriving when a clear came are asked for again, and passed on to nobody new") {
  NodeHarness f(1, {7, {2, 2}, 1});
  f.ask(1, a_block);
  const auto header = arriving(a_block, large);
  f.message(0, header);
  f.node.clear(first_tree, "/");
  CHECK(f.message(3, Ask{a_block, 0}).empty());
  CHECK(sent<Ask>(f.message(0, arrived(header)), 0).shape == Shape::control);
  const auto out = f.message(0, answer(a_block, "new"));
  CHECK(text(action<Reply>(out)) == "new");
  CHECK(sent<Answer>(out, 3, 1).value->text() == "new");
}

TEST_CASE(
    "what was asked in the bulk tree is asked again in the control tree, and no offer outlives a clear") {
  NodeHarness f(1, {3, {2, 2}, 1});
  f.message(0, offered(a_block, 1, large));
  f.node.clear(first_tree, "/");
  CHECK(sent<Ask>(f.message(0, answer(a_block, large)), 0).shape == Shape::control);

  NodeHarness line(1, {3, {2, 2}, 1}, std::size_t{1} << 30);
  for (std::uint64_t n = 1; n <= limits::offers_at_once + 1; ++n)
    line.message(0, offered(Key::file_block("/d/" + std::to_string(n), 0, {n, 2, 3, 4}), n, large));
  line.node.clear(first_tree, "/");
  line.message(0, answer(Key::file_block("/d/1", 0, {1, 2, 3, 4}), large));
  line.message(0, answer(Key::file_block("/d/1", 0, {1, 2, 3, 4}), large));
  CHECK(line.count(Counter::offers_taken) == limits::offers_at_once);
}

}  // namespace copper::test
