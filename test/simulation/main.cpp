// copper_simulation: one simulated run, or many seeds of one kind. Prints what was run and counted;
// exit status 1, with the command that repeats it, where a promise was broken.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdint>

#include "test/simulation/scenario.h"
#include "tree/simulation/failure.h"

namespace {

using namespace copper;
using namespace copper::simulation;

// What all runs have counted together; the digest and the command are the last one's.
class Sum {
 public:
  void add(const std::string& command, const Ran& ran) {
    command_ = command;
    ++runs_;
    sum_.digest = ran.digest;
    sum_.loads += ran.loads;
    sum_.events += ran.events;
    sum_.took += ran.took;
    sum_.counters.add(ran.counters);
  }
  void print() const {
    fmt::print("{}\n  {} run(s), digest {:016x}, {} events, {:.3f} s simulated, {} loads\n", command_, runs_,
               sum_.digest, sum_.events, std::chrono::duration<double>(sum_.took).count(), sum_.loads);
    for (std::size_t i = 0; i < counter_count; ++i)
      if (const auto value = sum_.counters[Counter{i}])
        fmt::print("  {:<20} {:>12}\n", name(Counter{i}), value);
  }

 private:
  std::string command_;
  std::uint64_t runs_ = 0;
  Ran sum_;
};

}  // namespace

int main(int argc, char** argv) {
  Settings given;
  std::string scenario = "storm";
  std::uint64_t seeds = 1;
  CLI::App app{"Copper's protocol, simulated: one seed decides everything"};
  app.add_option("scenario", scenario, "storm or mixed")->check(CLI::IsMember({"storm", "mixed"}));
  app.add_option("--seed", given.seed, "decides the run; for mixed also what is not given below");
  app.add_option("--seeds", seeds, "so many runs, with the seeds from --seed on");
  auto* ranks = app.add_option("--ranks", given.ranks)->check(CLI::Range(1u, 1u << 20));
  auto* fanout = app.add_option("--fanout", given.fanouts.control)->check(CLI::Range(1u, 64u));
  auto* bulk_fanout = app.add_option("--bulk-fanout", given.fanouts.bulk)->check(CLI::Range(1u, 64u));
  auto* publish = app.add_option("--publish", given.publish, "all, asked or auto")
                      ->transform(CLI::CheckedTransformer(publish_policies()));
  auto* trees = app.add_option("--trees", given.trees)->check(CLI::Range(1u, 64u));
  auto* store_bytes = app.add_option("--store-bytes", given.store_bytes, "of each rank");
  app.add_option("--keys", given.keys, "storm: how many")->check(CLI::Range(1u, 1u << 20));
  CLI11_PARSE(app, argc, argv);

  Sum sum;
  for (auto seed = given.seed; seed - given.seed < seeds; ++seed) {
    const bool mixed = scenario == "mixed";
    auto settings = mixed ? mixed_settings(seed) : given;
    settings.seed = seed;
    if (*ranks) settings.ranks = given.ranks;
    if (*fanout) settings.fanouts.control = given.fanouts.control;
    if (*bulk_fanout) settings.fanouts.bulk = given.fanouts.bulk;
    if (*publish) settings.publish = given.publish;
    if (*trees) settings.trees = given.trees;
    if (*store_bytes) settings.store_bytes = given.store_bytes;
    const auto command = copper::simulation::command(scenario, settings);
    try {
      sum.add(command, mixed ? run_mixed(settings) : run_storm(settings));
    } catch (const Failure& failure) {
      fmt::print(stderr, "broken: {}\nrepeat: {}\n", failure.what(), command);
      return 1;
    }
  }
  sum.print();
}
