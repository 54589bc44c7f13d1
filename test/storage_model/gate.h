// What a request must get through: storage's speed, and what a test makes storage suffer (delays, hangs and
// failures by path prefix). Every request passes the gate, in its own thread, which waits there; a request
// that the kernel interrupts (FUSE_INTERRUPT, a killed reader included) leaves the gate at once with EINTR,
// unless a test has it held, as file systems do: then its reader is in D state, whatever signals come.
// One mutex guards the rules and the queues.
//
// Speed: two queues, for metadata and for data, that all mounts share, and what one client may have under way
// (tree/simulation/machine/storage_queues.h, as in `copper simulate`). A request's time is settled when it
// arrives, so it does not matter in which order the waiting threads run; the source's own time is part of it.
#pragma once

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "test/storage_model/counts.h"
#include "tree/simulation/machine/storage_queues.h"

namespace copper::storage_model {

// What a client asks. The bytes are those of a read, as far as the file goes.
struct Question {
  std::uint32_t client = 0;  // the number of its mount
  Op op = Op::lookup;
  const std::string& path;
  std::uint64_t bytes = 0;
};

class Gate {
 public:
  // No profile: as fast as the source.
  Gate(const std::optional<simulation::StorageProfile>& speed, std::uint32_t clients);

  // Blocks until storage would have answered, and as long as the rules want. 0, or the errno to answer with.
  int pass(fuse_req_t request, const Question& question);

  // A prefix stands for itself and for everything below it; "/" for everything. No op: every op.
  void delay(std::string prefix, std::optional<Op> op, std::chrono::milliseconds by);
  void fail(std::string prefix, std::optional<Op> op, int error);
  void hang(std::string prefix, std::optional<Op> op);
  void hold(std::string prefix, std::optional<Op> op);  // a hang that no interruption ends
  void release();                                       // ends all hangs
  void clear();                                         // ends all rules
  void end();  // ends all rules, and every request from now on passes with EIO

  std::vector<std::string> waiting() const;  // the paths of the requests that wait now

 private:
  using Clock = std::chrono::steady_clock;
  struct Rule {
    std::string prefix;
    std::optional<Op> op;
    bool covers(Op asked, std::string_view path) const;
  };
  struct Delay : Rule {
    std::chrono::milliseconds by;
  };
  struct Failure : Rule {
    int error;
  };
  struct Hang : Rule {
    bool held;
  };
  struct Waiter {
    Gate* gate;
    std::string path;
    bool interrupted = false;
  };

  static void on_interrupt(fuse_req_t request, void* waiter);
  Clock::time_point served(const Question& question, Clock::time_point now);
  std::chrono::milliseconds delay_of(Op op, std::string_view path) const;
  int error_of(Op op, std::string_view path) const;
  bool hangs(Op op, std::string_view path) const;
  bool held(Op op, std::string_view path) const;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Delay> delays_;
  std::vector<Failure> failures_;
  std::vector<Hang> hangs_;
  std::list<Waiter> waiters_;
  std::optional<simulation::StorageQueues> queues_;
  bool ended_ = false;
};

}  // namespace copper::storage_model
