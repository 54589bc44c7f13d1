// `copper simulate`: how long a recorded start of a program takes on so many nodes, read directly, through
// the predecessor, and through Copper; on a modelled machine. Needs no mount and no job.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "tree/simulation/replay/replay.h"
#include "wrappers/copper/refused.h"

namespace copper {

struct SimulateOptions {
  std::vector<std::uint32_t> nodes{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 10'624};
  std::string trace;
  std::uint32_t processes = 12;
  std::uint32_t skew_ms = 100;
  std::uint64_t seed = 1;
  simulation::ServiceSettings service;  // what the ranks can be told; another choice of theirs comes here
  std::string storage = "lustre-flare";
  std::string network = "slingshot11";
  bool dead_ranks = false;  // only Copper, without a living rank
  bool json = false;
  std::string plot;
};

// The subcommand with its options, which are parsed into `options`.
CLI::App* add_simulate(CLI::App& app, SimulateOptions& options);

// The exit status. Prints the table or the JSON; progress on stderr when it takes long. Throws Refused where
// an option cannot be used.
int simulate(const SimulateOptions& options);

}  // namespace copper
