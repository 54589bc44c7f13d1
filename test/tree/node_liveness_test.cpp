// A rank that is dead: who waits for it is told, or asks elsewhere.
#include "test/tree/node_harness.h"
#include "tree/limits.h"

namespace copper::test {
namespace {

// Control, fan-out 3: 0 above 1, 2, 3; 1 above 4, 5, 6. Bulk, fan-out 2: 0 above 1, 2; 1 above 3, 4; 2 above
// 5, 6.
const Topology seven(7, {3, 2}, 1);

}  // namespace

TEST_CASE("who passes a block on whose sender dies gives it up, and asks elsewhere") {
  NodeHarness h(3, Topology(9, {8, 2}, 1));  // bulk: parent 1, children 7 and 8
  h.message(0, offered(a_block, 1, large));
  h.message(7, ask_seen(a_block, 1, Shape::bulk));
  const auto header = arriving(a_block, large);
  CHECK(sent<Answer>(h.message(1, header), 7).arrival == header.arrival);
  h.time_passes(limits::peer_patience);
  Actions out;
  for (auto waited = Duration{}; out.empty() && waited <= 2 * limits::peer_patience;
       waited += limits::peer_look)
    out = h.time_passes(limits::peer_look);
  CHECK(sent<Ask>(out, 0).shape == Shape::control);
  CHECK(header.arrival->abandoned());
  CHECK(payload_of(Message(header)).there() == large.size());  // ended with anything

  // One that it was passed on to finds the checksum wrong, and asks again too, whatever the edge.
  NodeHarness child(7, Topology(9, {8, 2}, 1));
  child.ask(1, a_block);
  child.message(0, header);
  const auto again = child.message(0, Answer{.key = a_block, .value = Errno{EIO}});
  CHECK(sent<Ask>(again, 0).shape == Shape::control);
}

TEST_CASE("a parent that does not answer is asked whether it lives, and if not, who waits is told") {
  NodeHarness h(1, seven);
  h.ask(1, an_entry);
  h.message(4, ask_seen(an_entry, 0));
  CHECK(h.time_passes(limits::peer_patience - 1ms).empty());
  const auto silent = h.time_passes(1ms);
  REQUIRE(silent.size() == 1);
  CHECK_FALSE(sent<Ping>(silent, 0).answer);
  Actions out;
  for (auto waited = Duration{}; out.empty() && waited <= 2 * limits::peer_patience;
       waited += limits::peer_look)
    out = h.time_passes(limits::peer_look);
  REQUIRE(out.size() == 2);
  CHECK(action<Reply>(out, 0).outcome.value.error() == rank_is_dead);
  CHECK(sent<Answer>(out, 4, 1).value.error() == rank_is_dead);
  CHECK(h.count(Counter::peers_dead) == 1);

  CHECK(action<Reply>(h.ask(2, an_entry)).outcome.value.error() == rank_is_dead);
  h.message(0, Ping{.answer = true});
  CHECK(sent<Ask>(h.ask(3, an_entry), 0).key == an_entry);
}

TEST_CASE("who is asked whether it lives says so, and a slow answer is no death") {
  NodeHarness h(1, seven);
  CHECK(sent<Ping>(h.message(4, Ping{}), 4).answer);
  h.ask(1, an_entry);
  for (int n = 0; n < 100; ++n) {
    h.time_passes(limits::peer_patience);
    CHECK(h.message(0, Ping{.answer = true}).empty());
  }
  CHECK(h.count(Counter::peers_dead) == 0);
  CHECK(h.message(0, answer(an_entry, small)).size() == 1);
}

TEST_CASE("a dead bulk parent is no reason to give up") {
  NodeHarness h(3, seven);
  h.message(0, offered(a_block, 1, large));
  h.time_passes(limits::peer_patience);
  Actions out;
  for (auto waited = Duration{}; out.empty() && waited <= 2 * limits::peer_patience;
       waited += limits::peer_look)
    out = h.time_passes(limits::peer_look);
  REQUIRE(out.size() == 1);
  CHECK(sent<Ask>(out, 0).shape == Shape::control);
}

}  // namespace copper::test
