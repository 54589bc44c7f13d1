// The protocol as a whole, by the thousand ranks. A failure names the command that repeats it.
#include "tree/simulation/simulation.h"

#include <catch2/catch.hpp>
#include <set>

#include "test/simulation/scenario.h"
#include "test/simulation/source.h"
#include "tree/limits.h"
#include "tree/simulation/failure.h"

namespace copper::simulation {
namespace {

using namespace std::chrono_literals;

class Silent final : public Application {
  void on_reply(Rank, const Reply&) override {}
};

}  // namespace

TEST_CASE("in a storm of thousands of ranks over 50 keys storage is asked exactly 50 times") {
  const auto [ranks, trees] = GENERATE(
      table<std::uint32_t, std::uint32_t>({{1, 1}, {2, 1}, {9, 4}, {100, 4}, {8300, 1}, {10'000, 4}}));
  const Settings settings{.seed = 1, .ranks = ranks, .fanouts = {8, 2}, .trees = trees};
  INFO("repeat: " << command("storm", settings));
  const auto result = run_storm(settings);
  CHECK(result.loads == 50);
  // Each rank but a key's root asks for it at most once, unless it was told before; and once more for what it
  // was offered.
  CHECK(result.counters[Counter::asks_sent] - result.counters[Counter::offers_taken] <=
        std::uint64_t{ranks - 1} * settings.keys);
  CHECK(result.counters[Counter::publications] >= std::uint64_t{ranks - 1} * settings.keys / 2);
}

TEST_CASE("a chain and the widest tree answer a storm too") {
  for (const std::uint32_t fanout : {1u, 2u, 64u}) {
    const Settings settings{.seed = 2, .ranks = 150, .fanouts = {fanout, 1 + fanout % 3}, .trees = 3};
    INFO("repeat: " << command("storm", settings));
    CHECK(run_storm(settings).loads == 50);
  }
}

TEST_CASE(
    "while storage and ranks fail, files change and stores overflow, nobody is told what was not true") {
  Counters all;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const auto settings = mixed_settings(seed);
    INFO("repeat: " << command("mixed", settings));
    all.add(run_mixed(settings).counters);
  }
  // The seeds reach what they are meant to reach.
  CHECK(all[Counter::evictions] > 1000);
  CHECK(all[Counter::expired] > 1000);
  CHECK(all[Counter::cancelled] > 1000);
  CHECK(all[Counter::answers_unchanged] + all[Counter::loads_unchanged] > 1000);
  CHECK(all[Counter::publications] > 1000);
  CHECK(all[Counter::publications_held] > 1000);
  CHECK(all[Counter::offers_taken] > 1000);
  CHECK(all[Counter::loads_failed] > 1000);
  CHECK(all[Counter::peers_dead] > 100);
}

TEST_CASE("equal seeds have equal digests, others have others") {
  std::set<std::uint64_t> digests;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto mixed = mixed_settings(seed);
    const Settings storm{.seed = seed, .ranks = 200, .trees = 2};
    INFO("repeat: " << command("mixed", mixed) << " and " << command("storm", storm));
    const auto first = run_mixed(mixed).digest;
    const auto storm_first = run_storm(storm).digest;
    CHECK(run_mixed(mixed).digest == first);
    CHECK(run_storm(storm).digest == storm_first);
    digests.insert(first);
    digests.insert(storm_first);
  }
  CHECK(digests.size() == 20);
}

TEST_CASE("whose rank stops is lost to its neighbours and nobody else's, in time, however slow all are") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    const Topology topology(random.between(2u, 300u), {random.between(1u, 20u), 2}, random.between(1u, 3u));
    RandomWorld world(seed, {.message = 500ms, .look = 1s, .load = 30s, .wake = 500ms});
    Source source(60s);
    Silent application;
    Simulation simulation(topology, {}, world, source, application);
    simulation.watch_neighbours();
    const Rank stopped{random.between(0u, topology.ranks() - 1)};
    const auto stop_at = Instant{} + random.between(Duration{}, Duration{60s});
    simulation.queue().at(stop_at, [&] { simulation.stop(stopped); });
    const auto until = stop_at + limits::watch_pause + limits::peer_lost + limits::peer_lost / 2;
    while (simulation.now() < until) REQUIRE(simulation.queue().step());
    for (std::uint32_t n = 0; n < topology.ranks(); ++n) {
      const bool neighbour =
          topology.parent(Rank{n}, first_tree) == stopped || topology.parent(stopped, first_tree) == Rank{n};
      if (Rank{n} == stopped) continue;
      CHECK(simulation.engine(Rank{n}).node().lost() ==
            (neighbour ? std::vector{stopped} : std::vector<Rank>{}));
    }
  }
}

}  // namespace copper::simulation
