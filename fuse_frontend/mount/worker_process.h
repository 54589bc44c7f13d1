// A worker as its parent sees it: a child that is forked, watched and ended. One thread, the parent's.
#pragma once

#include <spdlog/logger.h>
#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "fuse_frontend/mount/mountpoint.h"
#include "fuse_frontend/worker.h"
#include "service/segment/segment.h"

namespace copper {

// The signals that the parent waits for: SIGTERM, SIGINT, SIGHUP, SIGCHLD.
sigset_t watched_signals();
// One that asks for the end, if it comes within the time.
std::optional<int> signal_within(std::chrono::milliseconds time);

class WorkerProcess {
 public:
  // Forks, if the system can: else it never began, and has ended.
  WorkerProcess(Segment& segment, const Mountpoint& mountpoint, const WorkerOptions& options,
                const std::shared_ptr<spdlog::logger>& log);

  // Until it has ended or a signal asks for the end, which is returned.
  //
  // It has ended when none of its lanes can touch the segment any more. That may be long before the system
  // lets go of it: a thread of it may hang inside the kernel, in storage or waiting for a lock of somebody to
  // whom a reply is owed, and only the successor can give that.
  //
  // One that somebody stopped (SIGSTOP) is killed after two seconds.
  std::optional<int> wait();
  bool began() const { return pid_ > 0; }
  bool succeeded() const { return status_ == 0; }
  std::string end() const;  // how it ended, for a log

  // Kills it, and has the kernel wait for nothing on the mount any more. Waits for it, a few seconds at most:
  // a thread of it may be inside storage, which answers when it likes.
  void kill(Mountpoint& mountpoint, spdlog::logger& log);

 private:
  bool reap();
  bool only_hangs() const;
  void end_if_stopped(char state);

  Segment& segment_;
  pid_t pid_ = 0;
  int error_ = 0;              // of the fork
  std::optional<int> status_;  // as waitpid has it; nothing where it hangs
  int stopped_looks_ = 0;      // in a row
};

}  // namespace copper
