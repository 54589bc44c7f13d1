// What other threads leave for a lane to do: a request was interrupted, the kernel has been notified, a lease
// ended.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "service/segment/file_descriptor.h"

namespace copper {

class Inbox {
 public:
  using Item = std::function<void()>;

  Inbox();  // throws std::system_error

  void leave(Item item);                  // any thread; wakes the lane
  void ring();                            // any thread; only wakes it
  void run();                             // the lane's thread: does what was left, in order
  int fd() const { return bell_.get(); }  // readable when rung

 private:
  FileDescriptor bell_;
  std::mutex mutex_;
  std::vector<Item> items_;  // under mutex_
};

}  // namespace copper
