// When what is written: the rank's files in the job's directory, and at rank 0 the job's.
//
//   tables/<tag>/<host>.<rank>/, profiling/<tag>/<host>.<rank>/   each rank, of up to 64
//       <tag>: snapshot-0001 ... while it runs, pre-destroy when it is told to leave, final at last
//   profiling/cluster/                                            rank 0, summed over the tree
//
// `final` is what the rank said to the job's last census, so the sum of all `final` is `cluster`. A rank that
// is told to leave goes on serving its neighbours until that census has passed: rank 0 takes it when it is
// told to leave itself. Nobody waits longer than limits::census_patience and a moment: a rank that is dead is
// not counted, and the files say how many were.
//
// One thread, the rank's; the files are written on another one.
#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "service/options.h"
#include "service/outputs/file_writer.h"
#include "service/outputs/rank_profile.h"
#include "service/outputs/warning_count.h"
#include "tree/engine.h"

namespace copper {

// How many paths a rank counts where not all are wanted, at least; and where all are, at most.
inline constexpr std::size_t paths_counted_min = 4096;
std::size_t paths_counted(const OutputOptions& options);

class Outputs {
 public:
  struct Job {
    Rank self{};
    std::vector<std::string> hosts;  // by rank
    std::vector<std::string> names;  // of the nodes, by rank
    bool writes = false;             // this rank, files of its own
  };
  Outputs(const OutputOptions& options, Job job, const RankProfile::Sources& sources, Instant started,
          Instant registered, std::shared_ptr<spdlog::logger> log, Counters& counters);

  // The engine's profiler.
  Profile profile(Scope scope, const Engine& engine, Instant now);

  // Each turn.
  void look(Engine& engine, Instant now);

  // From then on until may_leave(): all that is to be written has been, or there is no more time for it.
  void told_to_leave(Engine& engine, Instant now);
  bool may_leave(const Engine& engine, Instant now);

 private:
  void say_own(const Node& node);
  void say_others(const std::vector<Timing>& timings, bool first);
  void say_warnings(const Profile& profile);
  void snapshot(Engine& engine, Instant now);
  void write(const std::string& tag, Profile profile, const Engine& engine, Instant now);
  void write_job(const CensusTaker::Taken& taken, const Topology& topology);
  bool of_rank_0() const { return number(job_.self) == 0; }
  std::size_t rows() const { return options_.full_paths ? 0 : options_.top_n; }

  const OutputOptions options_;
  const Job job_;
  RankProfile own_;
  const Instant started_;
  std::shared_ptr<spdlog::logger> log_;
  Counters& counters_;  // the node's
  const std::shared_ptr<WarningCount> warnings_;
  FileWriter writer_;
  Instant next_second_;
  std::uint32_t snapshots_ = 0;
  bool asked_timings_ = false;  // of all, when all were ready
  bool said_own_answer_ = false;
  std::vector<bool> said_[2];                // of which rank the registration, the first answer
  std::map<std::uint64_t, Scope> censuses_;  // under way, for this rank
  std::optional<Instant> leaving_;           // since
  bool last_said_ = false;                   // the last census has asked this rank
  bool last_taken_ = false;                  // at rank 0: it is over
};

}  // namespace copper
