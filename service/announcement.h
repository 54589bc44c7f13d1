// The one line that the launcher waits for, on rank 0's standard output. A service that is started again says
// a word before, for its keeper, and goes on where a mount does not answer: that one's front end may be gone.
// One thread.
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
               std::chrono::seconds patience, bool again)
      : names_(std::move(names)),
        started_(started),
        patience_(patience),
        again_(again),
        pending_(job.rank() == 0) {
    if (pending_ && again_) say(fmt::format("started again: {} nodes", names_.size()));
  }

  // False where the mounts took longer than allowed: the job is to be given up.
  bool check(const Engine& engine, Instant now) {
    if (!pending_) return true;
    if (engine.all_ready()) {
      pending_ = false;
      say(fmt::format("ready: {} nodes in {} ms", names_.size(),
                      (now - started_) / std::chrono::milliseconds{1}));
      return true;
    }
    if (now - started_ < patience_) return true;
    std::vector<std::string> missing;
    for (const auto rank : engine.not_ready()) missing.push_back(names_.at(number(rank)));
    say(fmt::format("not ready: {} (after {} s)", fmt::join(missing, ", "), patience_.count()));
    pending_ = false;
    return again_;
  }

  Instant deadline() const { return pending_ ? started_ + patience_ : Instant::max(); }

 private:
  static void say(const std::string& what) {
    fmt::print("copper: {}\n", what);
    std::fflush(stdout);
  }

  std::vector<std::string> names_;
  Instant started_;
  std::chrono::seconds patience_;
  bool again_;
  bool pending_;
};

}  // namespace copper
