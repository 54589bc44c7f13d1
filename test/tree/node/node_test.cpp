// Every arrow of the state diagram in tree/node/node.h, at a root, below it, and for both kinds of askers.
// What becomes of outcomes that storage has overtaken is in node_expiry_test.cpp.
#include "tree/node/node.h"

#include <string>

#include "test/tree/node/node_harness.h"

namespace copper::test {
namespace {

// One tree of fan-out 2: 0 above 1 and 2, 1 above 3 and 4.
const Topology seven(7, {2, 2}, 1);

}  // namespace

TEST_CASE("an absent key is asked of the parent, once, and whoever asks meanwhile joins") {
  NodeHarness h(1, seven);
  const auto asked = h.ask(1, an_entry);
  REQUIRE(asked.size() == 1);
  CHECK(sent<Ask>(asked, 0).key == an_entry);
  CHECK(sent<Ask>(asked, 0).have == 0);
  CHECK(h.ask(2, an_entry).empty());
  CHECK(h.message(3, Ask{an_entry, 0}).empty());

  const auto answered = h.message(0, answer(an_entry, "attributes", 2s));
  REQUIRE(answered.size() == 3);
  CHECK(action<Reply>(answered, 0).client == client(1));
  CHECK(text(action<Reply>(answered, 0)) == "attributes");
  CHECK(action<Reply>(answered, 1).client == client(2));
  CHECK(sent<Answer>(answered, 3, 2).value->text() == "attributes");
  CHECK(h.count(Counter::client_asks) == 2);
  CHECK(h.count(Counter::client_joined) == 1);
  CHECK(h.count(Counter::child_joined) == 1);
  CHECK(h.count(Counter::asks_sent) == 1);
}

TEST_CASE("the root asks storage instead") {
  NodeHarness h(0, seven);
  const auto asked = h.ask(1, a_block);
  REQUIRE(asked.size() == 1);
  CHECK(action<Load>(asked).key == a_block);
  CHECK_FALSE(action<Load>(asked).previous.has_value());
  const auto answered = h.loaded(a_block, "bytes");
  REQUIRE(answered.size() == 1);
  CHECK(text(action<Reply>(answered)) == "bytes");
  CHECK(h.count(Counter::loads_block) == 1);
  CHECK(h.count(Counter::bytes_loaded) == 5);
}

TEST_CASE("what is ready and fresh is answered at once") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.message(0, answer(an_entry, "attributes", 2s));
  h.now += 500ms;
  const auto again = h.ask(2, an_entry);
  REQUIRE(again.size() == 1);
  CHECK(text(action<Reply>(again)) == "attributes");
  CHECK_FALSE(action<Reply>(again).unchanged);
  const auto child = h.message(4, Ask{an_entry, 0});
  CHECK(sent<Answer>(child, 4).fresh_for == 1500ms);
  CHECK(h.count(Counter::client_hits) == 1);
  CHECK(h.count(Counter::child_hits) == 1);
}

TEST_CASE("who has the bytes already is told unchanged: a client with the bytes, a child without") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.message(0, answer(an_entry, "attributes"));
  const auto reply = h.ask(2, an_entry, tag("attributes"));
  CHECK(action<Reply>(reply).unchanged);
  CHECK(text(action<Reply>(reply)) == "attributes");
  const auto child = h.message(3, Ask{an_entry, tag("attributes")});
  CHECK(sent<Answer>(child, 3).unchanged);
  CHECK(sent<Answer>(child, 3).tag == tag("attributes"));
  CHECK(payload_of(action<Send>(child).message).size == 0);
  CHECK_FALSE(action<Reply>(h.ask(4, an_entry, tag("others"))).unchanged);
}

TEST_CASE("a stale outcome is renewed by its tag, and unchanged means no bytes") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.message(0, answer(an_entry, "attributes", 2s));
  h.ask(4, an_entry);
  h.now += 2s;
  const auto renewal = h.ask(2, an_entry);
  CHECK(sent<Ask>(renewal, 0).have == tag("attributes"));
  const auto renewed = h.message(0, Answer{an_entry, true, Errno{EIO}, tag("attributes"), 2s});
  CHECK(text(action<Reply>(renewed)) == "attributes");
  CHECK(action<Reply>(renewed).outcome.fresh_until == h.now + 2s);
  CHECK(h.count(Counter::answers_unchanged) == 1);
  CHECK(h.ask(3, an_entry).size() == 1);
  CHECK(h.count(Counter::client_hits) == 2);
  CHECK(h.node.store().ready(an_entry)->hits == 2);
}

TEST_CASE("the root shows storage what it said last time") {
  NodeHarness h(0, seven);
  h.ask(1, a_listing);
  h.loaded(a_listing, "names", 2s);
  h.now += 2s;
  const auto renewal = h.ask(2, a_listing);
  REQUIRE(action<Load>(renewal).previous.has_value());
  CHECK(action<Load>(renewal).previous->text() == "names");
  CHECK(text(action<Reply>(h.loaded_unchanged(a_listing, 2s))) == "names");
  CHECK(h.count(Counter::loads_unchanged) == 1);
  CHECK(h.node.store().ready(a_listing)->outcome.tag == tag("names"));
}

TEST_CASE("an answer with no freshness reaches everyone who waits, and is renewed by the next") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.ask(2, an_entry);
  CHECK(h.message(0, answer(an_entry, "attributes", 0s)).size() == 2);
  CHECK(sent<Ask>(h.ask(3, an_entry), 0).have == tag("attributes"));
}

TEST_CASE("an absent name is remembered while it is fresh, then asked again without a tag") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  const auto told = h.message(0, Answer{an_entry, false, Errno{ENOENT}, 0, 2s});
  CHECK(action<Reply>(told).outcome.value.error() == Errno{ENOENT});
  CHECK(action<Reply>(h.ask(2, an_entry)).outcome.value.error() == Errno{ENOENT});
  h.now += 2s;
  CHECK(sent<Ask>(h.ask(3, an_entry), 0).have == 0);
}

TEST_CASE("any other error is told and forgotten, with the outcome that it followed") {
  NodeHarness h(0, seven);
  h.ask(1, an_entry);
  h.loaded(an_entry, "attributes", 2s);
  h.now += 2s;
  h.ask(2, an_entry);
  const auto told = h.loaded_error(an_entry, EACCES);
  CHECK(action<Reply>(told).outcome.value.error() == Errno{EACCES});
  CHECK_FALSE(h.node.store().contains(an_entry));
  CHECK(h.node.store().bytes() == 0);
  CHECK(h.count(Counter::loads_failed) == 1);
  CHECK_FALSE(action<Load>(h.ask(3, an_entry)).previous.has_value());
}

TEST_CASE("an evicted outcome is asked for again") {
  NodeHarness h(0, seven, Store::overhead + 20);
  h.ask(1, an_entry);
  h.loaded(an_entry, "attributes");
  h.ask(2, a_listing);
  h.loaded(a_listing, "names");
  CHECK(h.count(Counter::evictions) == 1);
  CHECK(action<Load>(h.ask(3, an_entry)).key == an_entry);
}

TEST_CASE("an outcome larger than the store is answered and not kept") {
  NodeHarness h(0, seven, 100);
  h.ask(1, an_entry);
  CHECK(text(action<Reply>(h.loaded(an_entry, std::string(1000, 'x')))).size() == 1000);
  CHECK(h.node.store().bytes() == 0);
  CHECK(h.node.store().outcomes() == 0);
}

TEST_CASE("a cancelled client is not answered, and the fetch goes on") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.node.on_cancel(client(1));
  h.node.on_cancel(client(1));
  CHECK(h.count(Counter::cancelled) == 1);
  CHECK(h.message(0, answer(an_entry, "attributes")).empty());
  CHECK(h.ask(2, an_entry).size() == 1);
  CHECK(h.count(Counter::client_hits) == 1);
}

TEST_CASE("a client that asks again gives up its former question") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.ask(1, a_listing);
  CHECK(h.message(0, answer(an_entry, "attributes")).empty());
  CHECK(h.message(0, answer(a_listing, "names")).size() == 1);
}

TEST_CASE("clients of a dead worker go, others stay") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.ask(2, an_entry);
  h.node.on_clients_gone([](Client gone) { return gone == client(1); });
  const auto answered = h.message(0, answer(an_entry, "attributes"));
  REQUIRE(answered.size() == 1);
  CHECK(action<Reply>(answered).client == client(2));
}

TEST_CASE("unchanged, where nothing is held, is no answer: the question is asked again without a tag") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  const auto again = h.message(0, Answer{an_entry, true, Errno{EIO}, 12, 2s});
  CHECK(sent<Ask>(again, 0).have == 0);
  CHECK(h.count(Counter::answers_unasked) == 1);
  CHECK(h.message(0, answer(an_entry, "attributes", 2s)).size() == 1);

  h.now += 2s;
  h.ask(1, an_entry);
  const auto other_tag = h.message(0, Answer{an_entry, true, Errno{EIO}, tag("attributes") + 1, 2s});
  CHECK(sent<Ask>(other_tag, 0).have == 0);
  CHECK(h.message(0, answer(an_entry, "attributes", 2s)).size() == 1);
}

TEST_CASE("what nobody may say is counted and harms nothing") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  CHECK(h.message(2, Ask{a_listing, 0}).empty());           // not my child
  CHECK(h.message(99, Ask{a_listing, 0}).empty());          // not a rank
  CHECK(h.message(0, Ask{a_listing, 0}).empty());           // my parent
  CHECK(h.message(2, answer(an_entry, "forged")).empty());  // not my parent
  CHECK(h.message(3, Expire{a_block}).empty());             // my child
  CHECK(h.message(0, ReadyRanks{{Rank{0}}}).empty());       // not the node's
  CHECK(h.message(3, Publish{.key = a_listing, .number = 1, .value = Errno{ENOENT}}).empty());  // my child
  CHECK(
      h.message(3, Ask{.key = a_listing, .shape = Shape::bulk}).empty());  // only file blocks are asked there
  CHECK(h.message(99, Ping{}).empty());
  CHECK(h.count(Counter::messages_refused) == 9);
  CHECK(h.message(0, answer(a_listing, "nobody asked")).empty());
  CHECK(h.count(Counter::answers_unasked) == 1);
  CHECK(text(action<Reply>(h.message(0, answer(an_entry, "true")))) == "true");
}

TEST_CASE("who is parent depends on the key's tree") {
  const Topology topology(7, {2, 2}, 7);
  const auto root = topology.root(topology.tree_of(an_entry));
  NodeHarness h(number(root), topology);
  CHECK(action<Load>(h.ask(1, an_entry)).key == an_entry);
}

// ---- the rest ----

TEST_CASE("a restarted rank adopts bytes, never errors, never over what it knows") {
  NodeHarness h(1, seven);
  const auto found = Bytes::copy_of("found");
  h.node.adopt(a_block, {found, tag("found"), Instant::max()}, h.now);
  CHECK(text(action<Reply>(h.ask(1, a_block))) == "found");
  h.node.adopt(a_block, {Bytes::copy_of("other"), tag("other"), Instant::max()}, h.now);
  CHECK(text(action<Reply>(h.ask(1, a_block))) == "found");
  h.node.adopt(an_entry, {Errno{ENOENT}, 0, Instant::max()}, h.now);
  CHECK_FALSE(h.node.store().contains(an_entry));
  h.ask(1, an_entry);
  h.node.adopt(an_entry, {found, tag("found"), h.now + 1s}, h.now);
  CHECK(h.node.store().pending(an_entry) != nullptr);
}

TEST_CASE(
    "what a restarted rank adopts is shown to be unchanged before it is told, unless it was for the job") {
  NodeHarness h(0, seven);
  const auto young = Key::file_block("/d/f", 1, a_block.version);
  const auto found = Bytes::copy_of("found");
  for (const auto& key : {an_entry, young}) {
    h.node.adopt(key, {found, tag("found"), h.now + 2s}, h.now);
    CHECK(action<Load>(h.ask(1, key)).previous->text() == "found");
  }
  h.node.adopt(a_block, {found, tag("found"), Instant::max()}, h.now);
  CHECK(text(action<Reply>(h.ask(2, a_block))) == "found");
}

TEST_CASE("what is waited for is told, oldest first, with whom it waits on") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.now += 1s;
  h.ask(2, a_listing);
  h.ask(3, a_listing);
  h.now += 1s;
  const auto waiting = h.node.waiting(h.now, 10);
  REQUIRE(waiting.size() == 2);
  CHECK(waiting[0].key == an_entry);
  CHECK(waiting[0].age == 2s);
  CHECK(waiting[0].on == Rank{0});
  CHECK(waiting[1].waiters == 2);
  CHECK(h.node.waiting(h.now, 1).size() == 1);

  NodeHarness root(0, seven);
  root.ask(1, an_entry);
  CHECK_FALSE(root.node.waiting(root.now, 1).front().on.has_value());
}

TEST_CASE("memory is made room in, and counted as evictions") {
  NodeHarness h(0, seven);
  h.ask(1, a_block);
  h.loaded(a_block, "0123456789");
  CHECK(h.node.make_room(1, [](const Bytes&) { return true; }) == 10);
  CHECK(h.node.make_room(1, [](const Bytes&) { return true; }) == 0);
  CHECK(h.count(Counter::evictions) == 1);
}

TEST_CASE("what the front end found counts as a question that was answered") {
  NodeHarness h(0, seven);
  h.ask(1, an_entry);
  h.loaded(an_entry, "attributes");
  CHECK(h.found(an_entry).empty());
  CHECK(h.count(Counter::client_asks) == 2);
  CHECK(h.count(Counter::client_hits) == 1);
  CHECK(h.count(Counter::client_found) == 1);
  h.node.clear(first_tree, "/d");
  CHECK(h.found(an_entry).empty());  // it has gone in the meantime
  CHECK(h.count(Counter::client_found) == 2);
}

TEST_CASE("a root's own node that finds what one branch has asked for is the second branch") {
  NodeHarness h(0, seven);
  h.message(1, Ask{an_entry, 0});
  h.loaded(an_entry, "attributes");
  const auto found = h.found(an_entry);
  REQUIRE(found.size() == 2);
  CHECK(sent<Publish>(found, 1, 0).key == an_entry);
  CHECK(sent<Publish>(found, 2, 1).key == an_entry);
}

}  // namespace copper::test
