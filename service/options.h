// copper_service's options: read once, const afterwards.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "service/process.h"
#include "service/storage/source_tree.h"
#include "tree/sharing.h"
#include "tree/topology.h"

namespace copper {

struct ServiceOptions {
  bool print_mpi = false;
  std::filesystem::path run_dir;
  std::uint32_t nodes = 0;  // 0: one rank per host
  std::string mount;
  LocalTrees local;
  std::chrono::milliseconds freshness{2000};
  std::uint32_t trees = 1;
  Fanouts fanouts;
  PublishPolicy publish = PublishPolicy::automatic;
  std::filesystem::path groups;   // empty: hosts stand by their names only
  std::uint64_t cache_bytes = 0;  // 0: default_cache_bytes()
  std::uint64_t max_cacheable_bytes = 0;
  std::uint32_t lanes = 2;
  ProcessOptions process;
  std::chrono::seconds ready_patience{30};

  // The job's mount points on this host, for those that must not look into themselves.
  std::vector<std::string> mounts() const;
};

// Exits (0 after --help, 2 after a bad option, with one line on stderr).
ServiceOptions parse_options(int argc, char** argv);

// The smallest of 4 GiB, a sixteenth of the machine's memory and a quarter of the memory cgroup's limit,
// shared by `nodes_here` nodes on this machine.
std::uint64_t default_cache_bytes(std::uint32_t nodes_here);

}  // namespace copper
