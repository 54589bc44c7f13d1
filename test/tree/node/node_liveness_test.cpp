// A rank that is dead: who waits for it is told, or asks elsewhere.
#include "test/tree/node/node_harness.h"
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
  const auto again = child.message(0, Answer{.key = a_block, .damaged = true});
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
  CHECK(action<Reply>(out, 0).outcome.value.error() == not_carried);
  CHECK(sent<Answer>(out, 4, 1).value.error() == not_carried);
  CHECK(h.count(Counter::peers_dead) == 1);

  CHECK(action<Reply>(h.ask(2, an_entry)).outcome.value.error() == not_carried);
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

TEST_CASE("a question that a living parent does not answer is asked again, ever less often") {
  NodeHarness h(1, seven);
  h.message(0, told(Key::entry("/d/other"), 7, small));
  CHECK(sent<Ask>(h.ask(1, an_entry), 0).seen == 7);
  std::vector<Instant> again;
  for (int n = 0; n < 100; ++n) {
    for (const auto& action : h.time_passes(limits::peer_patience)) {
      const auto* send = std::get_if<Send>(&action);
      if (send == nullptr || !std::holds_alternative<Ask>(send->message)) continue;
      CHECK(std::get<Ask>(send->message).seen == answer_in_any_case);
      again.push_back(h.now);
    }
    h.message(0, Ping{.answer = true});
  }
  REQUIRE(again.size() == 6);
  for (std::size_t n = 2; n < again.size(); ++n)
    CHECK(again[n] - again[n - 1] == 2 * (again[n - 1] - again[n - 2]));
  CHECK(h.count(Counter::asked_again) == 6);
  CHECK(h.message(0, answer(an_entry, small)).size() == 1);
  CHECK_FALSE(h.node.deadline());
}

TEST_CASE("who asks again is answered even what has been published meanwhile") {
  NodeHarness h(0, seven, 1 << 20, PublishPolicy::all);
  h.ask(1, an_entry);
  h.loaded(an_entry, small);
  CHECK(h.message(1, ask_seen(an_entry, 0)).empty());  // is told
  CHECK(sent<Answer>(h.message(1, ask_seen(an_entry, answer_in_any_case)), 1).key == an_entry);
}

TEST_CASE("a block that the bulk parent does not answer is asked for in the control tree") {
  NodeHarness h(3, seven);
  h.message(0, offered(a_block, 1, large));
  h.time_passes(limits::peer_patience);
  h.message(1, Ping{.answer = true});
  const auto again = h.time_passes(limits::peer_patience);
  CHECK(sent<Ask>(again, 0).shape == Shape::control);
}

TEST_CASE("neighbours are watched though nobody asks anything, and one that stays silent is lost") {
  NodeHarness h(1, seven);
  h.node.watch_neighbours(h.now);
  CHECK(h.time_passes(limits::watch_pause).size() == 4);  // 0, 4, 5, 6
  for (auto waited = Duration{}; waited <= limits::peer_lost; waited += limits::peer_look) {
    h.time_passes(limits::peer_look);
    for (const std::uint32_t living : {0u, 4u, 6u}) h.message(living, Ping{.answer = true});
    CHECK(h.node.lost().empty() == (waited < limits::peer_lost - limits::peer_look));
  }
  CHECK(h.node.lost() == std::vector{Rank{5}});
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
