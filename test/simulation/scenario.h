// What is simulated: a shape of job and what its ranks do. Settings decide a run completely.
#pragma once

#include <cstdint>
#include <string>

#include "tree/counters.h"
#include "tree/node/node.h"
#include "tree/outcome.h"

namespace copper::simulation {

struct Settings {
  std::uint64_t seed = 1;
  std::uint32_t ranks = 1;
  Fanouts fanouts{8, 2};
  std::uint32_t trees = 1;
  PublishPolicy publish = PublishPolicy::automatic;
  std::size_t store_bytes = std::size_t{1} << 30;
  std::uint32_t keys = 50;  // storm only

  Topology topology() const { return {ranks, fanouts, trees}; }
  NodeOptions node() const { return {store_bytes, publish}; }
};

struct Ran {
  std::uint64_t digest = 0;
  std::uint64_t loads = 0;
  std::uint64_t events = 0;
  Duration took{};    // simulated
  Counters counters;  // of all ranks
};

// All ranks ask the same keys, in the same order, at about the same time; nothing changes. Throws Failure
// unless each was answered rightly and storage was asked once for each key.
Ran run_storm(const Settings& settings);

// Readers open and read files that are meanwhile changed, replaced, removed; they give up, their workers die;
// stores may be tiny; users clear. Throws Failure where an answer was not true lately, or where a reader does
// not get through; where one was older than a clear that was over when it was asked; and unless, after the
// last change and once what was known is no longer fresh, every rank sees every file as it is.
Ran run_mixed(const Settings& settings);

// The seed's choice of all the rest.
Settings mixed_settings(std::uint64_t seed);

// The command line that repeats a run of "storm" or "mixed".
std::string command(const std::string& scenario, const Settings& settings);

}  // namespace copper::simulation
