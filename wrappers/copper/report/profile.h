// What a job wrote of itself, as the report needs it. read_profile() reads JOBDIR/profiling/cluster and
// JOBDIR/logs; Refused, in one line, where a file is missing or damaged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace copper {

inline constexpr std::size_t latency_buckets = 27;  // up to 1, 2, 4 ... 2^25 us, and more
inline constexpr std::size_t paths_shown = 30;

struct OperationFigures {
  std::string layer;
  std::string operation;
  std::uint64_t count = 0;
  std::uint64_t errors = 0;
  std::uint64_t p50_us = 0;
  std::uint64_t p99_us = 0;
  std::uint64_t max_us = 0;
  std::vector<std::uint64_t> buckets;  // latency_buckets of them
};

struct CounterFigures {
  std::string layer;
  std::string counter;
  std::uint64_t sum = 0;
  std::uint64_t ranks = 0;
};

struct PathFigures {
  std::string path;
  std::string kind;
  std::uint64_t asks = 0;
  std::uint64_t hits = 0;
  std::uint64_t loads = 0;
  std::uint64_t bytes = 0;
  std::uint64_t absent = 0;
};

struct SecondFigures {
  std::uint64_t second = 0;  // since the start: this one and those up to the next row
  std::uint64_t storage_reads = 0;
  std::uint64_t front_end_operations = 0;
};

struct RankFigures {
  std::uint64_t rank = 0;
  std::string host;
  std::uint64_t depth = 0;
  std::uint64_t messages_sent = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t storage_reads = 0;
  std::uint64_t cache_bytes = 0;
  std::uint64_t cache_budget = 0;
};

struct Profile {
  std::string job;  // the directory's name
  std::vector<OperationFigures> operations;
  std::vector<CounterFigures> counters;
  std::vector<PathFigures> paths;  // the first ones: those most asked for
  std::vector<SecondFigures> timeline;
  std::vector<RankFigures> ranks;  // by number; of many, the busiest
  std::vector<std::pair<std::string, std::string>> options;
  std::vector<std::string> hosts;  // in the order of the launcher, each once

  std::uint64_t counter(std::string_view name) const;  // its sum; 0 where there is none
  std::uint64_t root_loads() const;                    // asked of storage through the trees
  std::uint64_t storage_questions() const;             // and all others, as the time line counts them
  std::uint64_t nodes() const;                         // all that were counted
};

Profile read_profile(const std::filesystem::path& job_directory);

}  // namespace copper
