// What the ranks of a job have counted and timed, in a form that can be summed: of one rank, of a subtree, of
// the job. It travels up the census (tree/job/census.h) in portions that each fit a message and each can be
// added alone, in any order. What is counted, and what its columns are called, is the caller's business: all
// ranks run the same program. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "tree/profile/activities.h"
#include "tree/profile/latencies.h"
#include "tree/profile/path_counts.h"
#include "tree/topology.h"

namespace copper {

// One figure over ranks.
struct Spread {
  std::uint64_t sum = 0;
  std::uint64_t ranks = 0;
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  Rank max_rank{};  // the least of those that have it

  static Spread of(std::uint64_t value, Rank rank) { return {value, 1, value, value, rank}; }
  void add(const Spread& other);
  friend bool operator==(const Spread&, const Spread&) = default;
};

// How busy a rank was as one of the trees.
struct RankLoad {
  Rank rank{};
  std::uint64_t messages_sent = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t storage_reads = 0;
  std::uint64_t cache_bytes = 0;
  std::uint64_t cache_budget = 0;
  friend bool operator==(const RankLoad&, const RankLoad&) = default;
};

// When a rank was ready, and when its parent had first answered it, and what; microseconds since its start.
struct Timing {
  Rank rank{};
  std::uint64_t registered_us = 0;
  std::optional<std::uint64_t> first_answer_us;
  Kind first_answer{};  // meaningful with it
  friend bool operator==(const Timing&, const Timing&) = default;
};

class Profile {
 public:
  static constexpr std::size_t loads_max = 64;                    // the busiest ranks, by bytes sent
  static constexpr std::size_t paths_max = std::size_t{1} << 16;  // that any bound on paths may be

  std::vector<Spread> counters;
  std::vector<Latencies> operations;
  Activities timeline;
  std::vector<RankLoad> loads;       // the busiest first
  std::vector<Timing> timings;       // by rank
  std::uint64_t paths_left_out = 0;  // paths that have been given up
  std::uint64_t portions_lost = 0;   // so that figures are too low

  // `paths`: how many paths are kept, of those that are asked for most.
  Profile() : Profile(0) {}
  explicit Profile(std::size_t paths) : path_bound_(paths) {}

  // Of nobody, with the same columns and as many paths.
  Profile empty() const;

  void add(const CountedPath& path);
  void add(const Profile& other);

  // The most asked first, at most as many as are kept.
  std::vector<CountedPath> paths() const;
  // How many paths are not among them; where it is 0 their counts are exact.
  std::uint64_t left_out() const;

  // Each at most limits::portion_bytes long.
  std::vector<std::vector<std::byte>> portions() const;
  // Adds one. False, and nothing happens, where it is none of a profile like this one among so many ranks.
  bool add_portion(std::span<const std::byte> bytes, std::uint32_t ranks);

 private:
  void keep_busiest();

  std::size_t path_bound_;
  std::unordered_map<AskedPath, PathCount, AskedPathHash> paths_;
};

}  // namespace copper
