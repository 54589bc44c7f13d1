// What a test makes storage suffer: delays, hangs and failures by path prefix. Every request passes the gate,
// in its own thread, which waits there; a request that the kernel interrupts (FUSE_INTERRUPT, a killed reader
// included) leaves the gate at once with EINTR. One mutex guards the rules. A model of storage's speed (a
// budget of questions and of bytes per second) belongs into pass().
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

namespace copper::storage_model {

class Gate {
 public:
  // Blocks as long as the rules for `op` on `path` want. 0, or the errno to answer with.
  int pass(fuse_req_t request, Op op, const std::string& path);

  // A prefix stands for itself and for everything below it; "/" for everything. No op: every op.
  void delay(std::string prefix, std::optional<Op> op, std::chrono::milliseconds by);
  void fail(std::string prefix, std::optional<Op> op, int error);
  void hang(std::string prefix, std::optional<Op> op);
  void release();  // ends all hangs
  void clear();    // ends all rules
  void end();      // ends all rules, and every request from now on passes with EIO

  std::vector<std::string> waiting() const;  // the paths of the requests that wait now

 private:
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
  struct Waiter {
    Gate* gate;
    std::string path;
    bool interrupted = false;
  };

  static void on_interrupt(fuse_req_t request, void* waiter);
  std::chrono::milliseconds delay_of(Op op, std::string_view path) const;
  int error_of(Op op, std::string_view path) const;
  bool hangs(Op op, std::string_view path) const;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Delay> delays_;
  std::vector<Failure> failures_;
  std::vector<Rule> hangs_;
  std::list<Waiter> waiters_;
  bool ended_ = false;
};

}  // namespace copper::storage_model
