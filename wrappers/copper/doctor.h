// `copper doctor`: whether Copper can be launched on this host.
#pragma once

#include <CLI/CLI.hpp>

namespace copper {

// The subcommand; what follows it is left to the script.
CLI::App* add_doctor(CLI::App& app);

// Becomes copper_doctor.sh, which has its checks in common with launch_copper.sh. Returns 2, after one line
// on stderr, where it is not found.
int doctor(const CLI::App& subcommand);

}  // namespace copper
