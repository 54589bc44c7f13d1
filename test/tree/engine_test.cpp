// One engine between three ports that do nothing by themselves.
#include "tree/engine.h"

#include <deque>

#include "test/tree/node/node_harness.h"
#include "tree/limits.h"

namespace copper::test {
namespace {

template <class T>
std::optional<T> pop(std::deque<T>& queue) {
  if (queue.empty()) return std::nullopt;
  auto first = std::move(queue.front());
  queue.pop_front();
  return first;
}

struct QuietTransport final : Transport {
  bool send(Rank to, Message message) override {
    sent.push_back({to, std::move(message)});
    return true;
  }
  std::optional<Received> receive() override { return pop(inbox); }
  std::deque<Received> inbox;
  std::deque<Send> sent;
};
struct QuietStorage final : Storage {
  void load(Load load) override { asked.push_back(std::move(load)); }
  std::optional<Loaded> loaded() override { return pop(done); }
  std::deque<Loaded> done;
  std::deque<Load> asked;
};
struct QuietClients final : Clients {
  std::optional<Event> event() override { return pop(events); }
  void reply(const Reply& reply, Instant) override { replies.push_back(reply); }
  void reply_control(Client to, const std::string& text) override { controls.emplace_back(to, text); }
  void notice(const Key& key) override { notices.push_back(key); }
  void clear(const Path& path, std::uint64_t number) override { clears.emplace_back(path, number); }
  std::deque<Event> events;
  std::deque<Reply> replies;
  std::deque<std::pair<Client, std::string>> controls;
  std::deque<Key> notices;
  std::deque<std::pair<Path, std::uint64_t>> clears;
};

struct Fixture {
  explicit Fixture(std::uint32_t self) : node(Rank{self}, Topology(7, {2, 2}, 1), {}) {}
  static std::string report(const Subject& subject, const Engine&, Instant) {
    if (const auto* census = std::get_if<Census>(&subject))
      return "stats of " + std::to_string(census->ranks);
    if (const auto* clearance = std::get_if<Clearance>(&subject))
      return (clearance->missing ? "pending on " : "cleared on ") + std::to_string(clearance->ranks);
    return "status";
  }
  Node node;
  QuietTransport transport;
  QuietStorage storage;
  QuietClients clients;
  Engine engine{node, transport, storage, clients, &Fixture::report};
  Instant now{1s};
};

}  // namespace

TEST_CASE("a question goes to storage and its answer back, in two turns") {
  Fixture f(0);
  f.clients.events.push_back(Question{client(1), an_entry, 0});
  CHECK(f.engine.turn(f.now) == 1);
  REQUIRE(f.storage.asked.size() == 1);
  f.storage.done.push_back({an_entry, false, Bytes::copy_of("attributes"), tag("attributes"), 2s});
  CHECK(f.engine.turn(f.now) == 1);
  REQUIRE(f.clients.replies.size() == 1);
  CHECK(text(f.clients.replies[0]) == "attributes");
  CHECK(f.engine.turn(f.now) == 0);
}

TEST_CASE("messages and their payloads are counted both ways") {
  Fixture f(1);
  f.transport.inbox.push_back({Rank{3}, Ask{an_entry, 0}});
  f.engine.turn(f.now);
  REQUIRE(f.transport.sent.size() == 1);
  f.transport.inbox.push_back({Rank{0}, answer(an_entry, "attributes", 2s)});
  f.engine.turn(f.now);
  REQUIRE(f.transport.sent.size() == 2);
  CHECK(f.node.counters()[Counter::messages_received] == 2);
  CHECK(f.node.counters()[Counter::messages_sent] == 2);
  CHECK(f.node.counters()[Counter::bytes_received] == 10);
  CHECK(f.node.counters()[Counter::bytes_sent] == 10);
}

TEST_CASE("a turn takes so much of each port, and no more") {
  Fixture f(1);
  for (std::uint32_t n = 0; n < 3 * limits::events_per_turn; ++n) {
    f.clients.events.push_back(Question{client(n), Key::entry("/d/" + std::to_string(n)), 0});
    f.transport.inbox.push_back({Rank{3}, Ask{an_entry, 0}});
  }
  CHECK(f.engine.turn(f.now) == 2 * limits::events_per_turn);
  CHECK(f.clients.events.size() == 2 * limits::events_per_turn);
  CHECK(f.transport.inbox.size() == 2 * limits::events_per_turn);
}

TEST_CASE("an expiry reaches the children and the front end before the answer") {
  Fixture f(0);
  f.transport.inbox.push_back({Rank{1}, Ask{a_block, 0}});
  f.clients.events.push_back(Question{client(1), a_block, 0});
  f.engine.turn(f.now);
  f.storage.done.push_back({a_block, false, Errno{ESTALE}, 0, {}});
  f.engine.turn(f.now);
  REQUIRE(f.transport.sent.size() == 3);
  CHECK(std::holds_alternative<Expire>(f.transport.sent[0].message));
  CHECK(std::holds_alternative<Expire>(f.transport.sent[1].message));
  CHECK(std::get<Answer>(f.transport.sent[2].message).value.error() == Errno{ESTALE});
  CHECK(f.clients.notices == std::deque{a_block});
}

TEST_CASE("status is reported at once, stats after the census") {
  Fixture f(5);
  f.clients.events.push_back(Control{client(1), ControlOp::status});
  f.clients.events.push_back(Control{client(2), ControlOp::stats});
  f.engine.turn(f.now);
  REQUIRE(f.clients.controls.size() == 1);
  CHECK(f.clients.controls[0] == std::pair{client(1), std::string("status")});
  REQUIRE(f.transport.sent.size() == 1);
  const auto census = std::get<Count>(f.transport.sent[0].message).census;
  f.transport.inbox.push_back({Rank{2}, Counted{census, 6, {}}});
  f.engine.turn(f.now);
  REQUIRE(f.clients.controls.size() == 2);
  CHECK(f.clients.controls[1] == std::pair{client(2), std::string("stats of 7")});
}

TEST_CASE("a census that nobody completes is reported when its time is up") {
  Fixture f(5);
  f.clients.events.push_back(Control{client(2), ControlOp::stats});
  f.engine.turn(f.now);
  REQUIRE(f.engine.deadline() == f.now + limits::census_patience);
  CHECK(f.engine.turn(*f.engine.deadline() - 1ns) == 0);
  CHECK(f.engine.turn(*f.engine.deadline()) == 1);
  REQUIRE(f.clients.controls.size() == 1);
  CHECK(f.clients.controls[0].second == "stats of 1");
  CHECK_FALSE(f.engine.deadline());
}

TEST_CASE("a worker's end takes its questions of both kinds with it, a newer worker's stay") {
  Fixture f(5);
  const Client newer{std::uint64_t{2} << 32 | 1};
  f.clients.events = {Question{client(1), an_entry, 0}, Question{newer, an_entry, 0},
                      Control{client(2), ControlOp::stats}, WorkerGone{1}};
  f.engine.turn(f.now);
  f.transport.inbox.push_back({Rank{2}, answer(an_entry, "attributes", 2s)});
  f.engine.turn(f.now + 10s);
  CHECK(f.clients.controls.empty());
  REQUIRE(f.clients.replies.size() == 1);
  CHECK(f.clients.replies[0].client == newer);
}

TEST_CASE("a cancelled question is not replied to, whichever kind it is") {
  Fixture f(5);
  f.clients.events = {Question{client(1), an_entry, 0}, Control{client(2), ControlOp::stats},
                      Cancel{client(1)}, Cancel{client(2)}};
  f.engine.turn(f.now);
  f.transport.inbox.push_back({Rank{2}, answer(an_entry, "attributes", 2s)});
  f.engine.turn(f.now + 10s);
  CHECK(f.clients.controls.empty());
  CHECK(f.clients.replies.empty());
}

TEST_CASE("a clear is answered when the front end and every subtree have said so") {
  Fixture f(0);
  f.clients.events.push_back(Control{client(1), ControlOp::clear, "/d"});
  f.engine.turn(f.now);
  REQUIRE(f.clients.clears.size() == 1);
  CHECK(f.clients.clears[0].first == "/d");
  REQUIRE(f.transport.sent.size() == 2);
  const auto name = std::get<Clear>(f.transport.sent[0].message).clear;
  f.transport.inbox = {{Rank{1}, Cleared{name, first_tree, 3}}, {Rank{2}, Cleared{name, first_tree, 3}}};
  f.engine.turn(f.now);
  CHECK(f.clients.controls.empty());
  f.clients.events.push_back(FrontEndCleared{f.clients.clears[0].second});
  f.engine.turn(f.now);
  CHECK(f.clients.controls == std::deque{std::pair{client(1), std::string("cleared on 7")}});
  CHECK_FALSE(f.engine.deadline());
}

TEST_CASE("a clear that is not complete is reported when its time is up") {
  Fixture f(0);
  f.clients.events.push_back(Control{client(1), ControlOp::clear, "/d"});
  f.engine.turn(f.now);
  f.clients.events.push_back(FrontEndCleared{f.clients.clears[0].second});
  f.engine.turn(f.now + limits::clear_patience - 1ns);
  CHECK(f.clients.controls.empty());
  f.engine.turn(f.now + limits::clear_patience);
  CHECK(f.clients.controls == std::deque{std::pair{client(1), std::string("pending on 1")}});
}

TEST_CASE("readiness travels, and its deadline is the engine's") {
  Fixture f(1);
  f.clients.events.push_back(Mounted{});
  f.engine.turn(f.now);
  CHECK(f.engine.deadline() == f.now + limits::ready_gather);
  CHECK(f.engine.turn(f.now + limits::ready_gather) == 1);
  REQUIRE(f.transport.sent.size() == 1);
  CHECK(std::get<ReadyRanks>(f.transport.sent[0].message).ranks == std::vector{Rank{1}});
  CHECK(f.engine.not_ready() == std::vector{Rank{3}, Rank{4}});
  CHECK_FALSE(f.engine.all_ready());
}

TEST_CASE("messages that nobody may send are counted, whichever part they are for") {
  Fixture f(1);
  f.transport.inbox = {{Rank{5}, ReadyRanks{{Rank{5}}}},
                       {Rank{5}, Count{{Rank{5}, 1}}},
                       {Rank{5}, Counted{{Rank{5}, 1}, 1, {}}},
                       {Rank{5}, Ask{an_entry, 0}}};
  f.engine.turn(f.now);
  CHECK(f.node.counters()[Counter::messages_refused] == 4);
  CHECK(f.transport.sent.empty());
}

}  // namespace copper::test
