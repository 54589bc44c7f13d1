// What a root tells everyone, and what becomes of it at each rank: no question is answered twice, nothing
// crosses an edge twice, and a payload is passed on while it arrives.
#include "test/tree/node/node_harness.h"
#include "tree/limits.h"

namespace copper::test {
namespace {

// Control, fan-out 3: 0 above 1, 2, 3; 1 above 4, 5, 6. Bulk, fan-out 2: 0 above 1, 2; 1 above 3, 4; 2 above
// 5, 6.
const Topology seven(7, {3, 2}, 1);

}  // namespace

// ---- the root ----

TEST_CASE("what two children have asked is told all, and neither is answered besides") {
  NodeHarness h(0, seven);
  h.message(1, ask_seen(an_entry, 0));
  h.message(2, ask_seen(an_entry, 0));
  const auto out = h.loaded(an_entry, small, 2s);
  REQUIRE(out.size() == 3);
  for (std::uint32_t child = 1; child <= 3; ++child) {
    const auto& publish = sent<Publish>(out, child, child - 1);
    CHECK(publish.number == 1);
    CHECK(publish.published == Published::bytes);
    CHECK(publish.value->text() == small);
    CHECK(publish.fresh_for == 2s);
  }
  CHECK(h.count(Counter::published) == 1);
  // A question that crossed with it.
  CHECK(h.message(3, ask_seen(an_entry, 0)).empty());
  // One of somebody who was told, and has dropped it.
  CHECK(sent<Answer>(h.message(3, ask_seen(an_entry, 1)), 3).value->text() == small);
}

TEST_CASE("what one child has asked is answered to it alone, until another asks too") {
  NodeHarness h(0, seven);
  h.message(1, ask_seen(an_entry, 0));
  CHECK(sent<Answer>(h.loaded(an_entry, small), 1).value->text() == small);
  CHECK(h.message(1, ask_seen(an_entry, 0)).size() == 1);
  const auto out = h.message(2, ask_seen(an_entry, 0));
  REQUIRE(out.size() == 3);
  CHECK(sent<Publish>(out, 1, 0).published == Published::unchanged);  // it has been sent the bytes
  CHECK(sent<Publish>(out, 2, 1).published == Published::bytes);
  CHECK(sent<Publish>(out, 3, 2).published == Published::bytes);
  CHECK(h.count(Counter::published) == 1);
  CHECK(h.message(1, ask_seen(an_entry, 1)).size() == 1);
  CHECK(h.count(Counter::published) == 1);
}

TEST_CASE("the root's own node is a branch like its children") {
  NodeHarness h(0, seven);
  h.ask(1, an_entry);
  h.message(2, ask_seen(an_entry, 0));
  const auto out = h.loaded(an_entry, small);
  REQUIRE(out.size() == 4);
  CHECK(sent<Publish>(out, 1, 0).number == 1);
  CHECK(text(action<Reply>(out, 3)) == small);
}

TEST_CASE("a large file block is offered, and whoever asks in the bulk tree is sent it") {
  NodeHarness h(0, seven);
  h.message(1, ask_seen(a_block, 0));
  h.message(2, ask_seen(a_block, 0));
  const auto out = h.loaded(a_block, large);
  REQUIRE(out.size() == 3);
  CHECK(sent<Publish>(out, 1, 0).published == Published::offered);
  CHECK(sent<Publish>(out, 1, 0).tag == tag(large));
  CHECK(payload_of(action<Send>(out).message).size == 0);
  CHECK(sent<Answer>(h.message(1, ask_seen(a_block, 1, Shape::bulk)), 1).value->size() == large.size());
}

TEST_CASE("a large listing is told whole: file blocks alone are offered") {
  NodeHarness h(0, seven);
  h.message(1, ask_seen(a_listing, 0));
  h.message(2, ask_seen(a_listing, 0));
  CHECK(sent<Publish>(h.loaded(a_listing, large), 1).published == Published::bytes);
}

TEST_CASE("an absent name is told too, an error that is not remembered is answered") {
  NodeHarness h(0, seven);
  for (std::uint32_t child = 1; child <= 2; ++child) h.message(child, ask_seen(an_entry, 0));
  CHECK(sent<Publish>(h.loaded_error(an_entry, ENOENT), 3, 2).value.error() == Errno{ENOENT});
  for (std::uint32_t child = 1; child <= 2; ++child) h.message(child, ask_seen(a_listing, 1));
  const auto out = h.loaded_error(a_listing, EIO);
  REQUIRE(out.size() == 2);
  CHECK(sent<Answer>(out, 1, 0).value.error() == Errno{EIO});
  CHECK(sent<Answer>(out, 2, 1).value.error() == Errno{EIO});
}

TEST_CASE("a renewal of what was told is told without bytes, once two have asked again") {
  NodeHarness h(0, seven);
  for (std::uint32_t child = 1; child <= 2; ++child) h.message(child, ask_seen(an_entry, 0));
  h.loaded(an_entry, small, 2s);
  h.now += 2s;
  h.message(1, {Ask{an_entry, tag(small), Shape::control, 1}});
  CHECK(sent<Answer>(h.loaded_unchanged(an_entry, 2s), 1).unchanged);
  h.now += 2s;
  for (std::uint32_t child = 1; child <= 2; ++child)
    h.message(child, {Ask{an_entry, tag(small), Shape::control, 1}});
  const auto out = h.loaded_unchanged(an_entry, 2s);
  REQUIRE(out.size() == 3);
  CHECK(sent<Publish>(out, 1).published == Published::unchanged);
  CHECK(sent<Publish>(out, 1).number == 2);
}

TEST_CASE("all is told all, asked is told nobody") {
  NodeHarness all(0, seven, 1 << 20, PublishPolicy::all);
  all.ask(1, an_entry);
  CHECK(all.loaded(an_entry, small).size() == 4);
  NodeHarness asked(0, seven, 1 << 20, PublishPolicy::asked);
  for (std::uint32_t child = 1; child <= 2; ++child) asked.message(child, ask_seen(an_entry, 0));
  CHECK(sent<Answer>(asked.loaded(an_entry, small), 1).value->text() == small);
}

TEST_CASE("a root without children tells nobody") {
  NodeHarness h(0, Topology(1, {}, 1), 1 << 20, PublishPolicy::all);
  h.ask(1, an_entry);
  CHECK(h.loaded(an_entry, small).size() == 1);
  CHECK(h.count(Counter::published) == 0);
}

// ---- below it ----

TEST_CASE(
    "what is told answers those who wait here, and goes on to the children, who are not answered besides") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.message(4, ask_seen(an_entry, 0));
  const auto out = h.message(0, told(an_entry, 1, small));
  REQUIRE(out.size() == 4);
  for (std::uint32_t n = 0; n < 3; ++n) CHECK(sent<Publish>(out, 4 + n, n).value->text() == small);
  CHECK(text(action<Reply>(out, 3)) == small);
  CHECK(h.message(5, ask_seen(an_entry, 0)).empty());      // it is about to be told
  CHECK(h.message(5, ask_seen(an_entry, 1)).size() == 1);  // it has dropped it
  CHECK(text(action<Reply>(h.ask(2, an_entry))) == small);
}

TEST_CASE("a child that was told before this rank was, and asks again, is answered") {
  NodeHarness h(1, seven);
  h.message(4, ask_seen(an_entry, 7));
  const auto out = h.message(0, told(an_entry, 1, small));
  REQUIRE(out.size() == 4);
  CHECK(sent<Answer>(out, 4, 3).value->text() == small);
}

TEST_CASE("what is offered is asked of the bulk parent by who lacks it, whoever was asked before") {
  NodeHarness h(3, seven);  // control parent 0, bulk parent 1
  CHECK(sent<Ask>(h.ask(1, a_block), 0).shape == Shape::control);
  const auto asked = h.message(0, offered(a_block, 1, large));
  REQUIRE(asked.size() == 1);
  CHECK(sent<Ask>(asked, 1).shape == Shape::bulk);
  CHECK(sent<Ask>(asked, 1).seen == 1);
  CHECK(h.message(0, answer(a_block, large)).empty());  // late
  CHECK(h.count(Counter::answers_unasked) == 1);
  CHECK(text(action<Reply>(h.message(1, answer(a_block, large)))) == large);

  // Held already, and nobody is asked.
  CHECK(h.message(0, offered(a_block, 2, large)).empty());
  CHECK(h.count(Counter::publications_held) == 1);
  // Nobody here has asked for it, and it comes all the same: the bulk children will want it.
  auto next = a_block;
  next.block = 1;
  CHECK(sent<Ask>(h.message(0, offered(next, 3, large)), 1).shape == Shape::bulk);
}

TEST_CASE(
    "what nobody here wants is taken so many at a time, the others in their turn or when somebody wants "
    "them") {
  NodeHarness h(3, seven, std::size_t{1} << 30);
  const auto block = [](std::uint64_t n) {
    auto key = a_block;
    key.block = static_cast<std::uint32_t>(n);
    return key;
  };
  std::uint64_t number = 0;
  const auto offer = [&] {
    const auto key = block(number);
    return h.message(0, offered(key, ++number, large)).size();
  };
  while (number < limits::offers_at_once) CHECK(offer() == 1);
  const auto first_in_line = number;
  for (int n = 0; n < 3; ++n) CHECK(offer() == 0);

  CHECK(sent<Ask>(h.ask(1, block(first_in_line + 1)), 1).shape == Shape::bulk);
  CHECK(h.message(1, answer(block(0), large)).empty());  // still too many
  const auto next = h.message(1, answer(block(1), large));
  REQUIRE(next.size() == 1);
  CHECK(sent<Ask>(next, 1).key == block(first_in_line));
  CHECK(sent<Ask>(h.message(1, answer(block(2), large)), 1).key == block(first_in_line + 2));
  CHECK(h.message(1, answer(block(3), large)).empty());
  CHECK(h.count(Counter::offers_taken) == number);
}

TEST_CASE("a bulk child's question for what is not known here goes up the bulk tree") {
  NodeHarness h(1, Topology(7, {6, 2}, 1));
  CHECK(sent<Ask>(h.message(3, ask_seen(a_block, 1, Shape::bulk)), 0).shape == Shape::bulk);
  CHECK(h.message(4, ask_seen(a_block, 1, Shape::bulk)).empty());
  CHECK(h.message(0, offered(a_block, 1, large)).empty());  // asked for already
  CHECK(h.message(0, answer(a_block, large)).size() == 2);
}

TEST_CASE("a payload is passed on while it arrives, to who waits and to who comes later") {
  NodeHarness h(1, seven);
  h.message(0, offered(a_block, 1, large));
  h.ask(1, a_block);
  h.message(3, ask_seen(a_block, 1, Shape::bulk));
  const auto header = arriving(a_block, large);
  const auto passed = h.message(0, header);
  REQUIRE(passed.size() == 1);
  CHECK(sent<Answer>(passed, 3).arrival == header.arrival);
  CHECK(sent<Answer>(passed, 3).tag == tag(large));
  CHECK(sent<Answer>(h.message(4, ask_seen(a_block, 1, Shape::bulk)), 4).arrival == header.arrival);
  const auto whole = h.message(0, arrived(header));
  REQUIRE(whole.size() == 1);
  CHECK(text(action<Reply>(whole)) == large);
}

TEST_CASE("a failure on a bulk edge is asked again in the control tree, behind what is told there") {
  NodeHarness h(3, seven);
  h.message(0, offered(a_block, 1, large));
  h.ask(1, a_block);
  const auto again = h.message(1, Answer{.key = a_block, .value = Errno{ESTALE}});
  REQUIRE(again.size() == 1);
  CHECK(sent<Ask>(again, 0).shape == Shape::control);
  const auto gone = h.message(0, Answer{.key = a_block, .value = Errno{ESTALE}});
  CHECK(action<Reply>(gone).outcome.value.error() == Errno{ESTALE});
}

TEST_CASE("unchanged, told to who has dropped the bytes, makes it ask where it has need of them") {
  NodeHarness h(1, seven);
  h.message(0, told(an_entry, 1, small, 2s));
  h.now += 2s;
  h.message(0, Publish{.key = an_entry,
                       .number = 2,
                       .published = Published::unchanged,
                       .tag = tag(small),
                       .fresh_for = 2s});
  CHECK(text(action<Reply>(h.ask(1, an_entry))) == small);

  h.ask(1, a_listing);
  const auto again = h.message(0, Publish{.key = a_listing,
                                          .number = 3,
                                          .published = Published::unchanged,
                                          .tag = tag("names"),
                                          .fresh_for = 2s});
  REQUIRE(again.size() == 4);
  CHECK(sent<Ask>(again, 0, 3).seen == 3);
}

TEST_CASE("what is told replaces what is held, and makes another edition stale") {
  NodeHarness h(1, seven);
  h.message(0, told(an_entry, 1, small));
  h.message(0, told(an_entry, 2, "newer"));
  CHECK(text(action<Reply>(h.ask(1, an_entry))) == "newer");
  h.message(
      0, Publish{.key = an_entry, .number = 3, .published = Published::unchanged, .tag = 5, .fresh_for = 2s});
  CHECK(sent<Ask>(h.ask(1, an_entry), 0).have == tag("newer"));
}

TEST_CASE("after a publication that was lost, what is waited for is asked again") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.ask(2, a_listing);
  const auto out = h.message(0, told(an_entry, 2, small));
  REQUIRE(out.size() == 5);  // passed on to three, answered, asked again
  CHECK(sent<Ask>(out, 0, 4).key == a_listing);
  CHECK(sent<Ask>(out, 0, 4).seen == 2);
  CHECK(h.message(0, told(an_entry, 2, small)).empty());
  CHECK(h.message(0, told(an_entry, 1, small)).empty());
  CHECK(h.count(Counter::messages_refused) == 2);
  CHECK(h.count(Counter::publications_missed) == 1);
  CHECK(h.message(0, answer(a_listing, "names")).size() == 1);
}

TEST_CASE("a child that was sent the bytes is told so, and tells its own children the bytes") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.message(4, ask_seen(an_entry, 0));
  h.message(0, answer(an_entry, small, 2s));
  const auto out = h.message(0, Publish{.key = an_entry,
                                        .number = 1,
                                        .published = Published::unchanged,
                                        .tag = tag(small),
                                        .fresh_for = 3s});
  REQUIRE(out.size() == 3);
  CHECK(sent<Publish>(out, 4, 0).published == Published::unchanged);  // it has asked, and was answered
  for (std::uint32_t n = 1; n < 3; ++n) {
    CHECK(sent<Publish>(out, 4 + n, n).value->text() == small);
    CHECK(sent<Publish>(out, 4 + n, n).fresh_for == 3s);
  }
  // From now on all have it.
  const auto renewed = h.message(0, Publish{.key = an_entry,
                                            .number = 2,
                                            .published = Published::unchanged,
                                            .tag = tag(small),
                                            .fresh_for = 3s});
  for (std::uint32_t n = 0; n < 3; ++n)
    CHECK(sent<Publish>(renewed, 4 + n, n).published == Published::unchanged);
}

TEST_CASE("a number too far on is refused, and harms nothing") {
  NodeHarness h(1, seven);
  CHECK(h.message(0, told(an_entry, ~std::uint64_t{0}, small)).empty());
  CHECK(h.message(0, told(an_entry, 1, small)).size() == 3);
}

TEST_CASE("a rank that asks again is answered once") {
  NodeHarness h(0, seven);
  h.message(1, ask_seen(an_entry, 0));
  h.message(1, ask_seen(an_entry, 0));
  CHECK(h.loaded(an_entry, small).size() == 1);
}

TEST_CASE("bytes are as fresh as when they began to come") {
  NodeHarness h(1, seven);
  h.ask(1, a_block);
  auto header = arriving(a_block, large);
  header.fresh_for = 2s;
  h.message(0, header);
  const auto began = h.now;
  h.now += 1s;
  CHECK(action<Reply>(h.message(0, arrived(header))).outcome.fresh_until == began + 2s);
}

}  // namespace copper::test
