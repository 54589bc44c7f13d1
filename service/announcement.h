// The one line that the launcher waits for, on rank 0's standard output. One thread.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "service/mpi/job.h"
#include "tree/engine.h"

namespace copper {

class Announcement {
 public:
  Announcement(const MpiJob& job, std::vector<std::string> names, Instant started,
               std::chrono::seconds patience)
      : names_(std::move(names)), started_(started), patience_(patience), pending_(job.rank() == 0) {}

  // False where the mounts took longer than allowed: the job is to be given up.
  bool check(const Engine& engine, Instant now) {
    if (!pending_) return true;
    if (engine.all_ready()) {
      pending_ = false;
      fmt::print("copper: ready: {} nodes in {} ms\n", names_.size(),
                 (now - started_) / std::chrono::milliseconds{1});
      std::fflush(stdout);
      return true;
    }
    if (now - started_ < patience_) return true;
    std::vector<std::string> missing;
    for (const auto rank : engine.not_ready()) missing.push_back(names_.at(number(rank)));
    fmt::print("copper: not ready: {} (after {} s)\n", fmt::join(missing, ", "), patience_.count());
    std::fflush(stdout);
    return false;
  }

  Instant deadline() const { return pending_ ? started_ + patience_ : Instant::max(); }

 private:
  std::vector<std::string> names_;
  Instant started_;
  std::chrono::seconds patience_;
  bool pending_;
};

}  // namespace copper
