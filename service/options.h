// copper_service's options: read once, const afterwards.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "service/outputs/address_book.h"
#include "service/process.h"
#include "service/restarts.h"
#include "service/storage/source_tree.h"
#include "tree/node/sharing.h"
#include "tree/topology.h"

namespace copper {

// Up to so many ranks each writes files of its own into the job's directory; more would be a storm.
inline constexpr std::uint32_t writing_ranks_max = 64;

struct OutputOptions {
  std::filesystem::path job_dir;       // empty: no tables, no profiles
  std::filesystem::path node_log_dir;  // of this node, for ranks that do not write into the job's directory
  bool per_rank = false;               // every rank writes there, however many
  bool aggregate = false;              // -P
  std::uint32_t top_n = 50;            // -N
  bool full_paths = false;             // -A
  std::chrono::seconds snapshot{0};    // -I; 0: none
};

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
  std::uint64_t cache_bytes = 0;  // 0: default_cache_bytes()
  std::uint64_t max_cacheable_bytes = 0;
  std::uint32_t lanes = 2;
  AddressOptions addresses;
  OutputOptions outputs;
  ProcessOptions process;
  std::chrono::seconds ready_patience{30};
  Restarts restarts;

  // The job's mount points on this host, for those that must not look into themselves.
  std::vector<std::string> mounts() const;

  // Does this rank write files of its own into the job's directory?
  bool writes(std::uint32_t rank, std::uint32_t ranks) const {
    return rank == 0 || ranks <= writing_ranks_max || outputs.per_rank;
  }
  // Where the rank's log goes: empty for no file.
  std::filesystem::path log_dir(std::uint32_t rank, std::uint32_t ranks) const {
    return writes(rank, ranks) ? process.log_dir : outputs.node_log_dir;
  }
};

// Exits (0 after --help, 2 after a bad option, with one line on stderr).
ServiceOptions parse_options(int argc, char** argv);

// The smallest of 4 GiB, a sixteenth of the machine's memory and a quarter of the memory cgroup's limit,
// shared by `nodes_here` nodes on this machine.
std::uint64_t default_cache_bytes(std::uint32_t nodes_here);

}  // namespace copper
