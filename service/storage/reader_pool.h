// Threads that wait for storage in place of the one that must not. Started as needed, up to a bound; what is
// posted while all of them wait for storage waits too, in order. Where nothing has come back for a second
// they are held by something that hangs, which must not hold up what does not: then the bound is eight times
// as high. They take no signals.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace copper {

class ReaderPool {
 public:
  explicit ReaderPool(std::size_t threads_max);
  ~ReaderPool();  // as stop(); a thread that storage holds ends when storage lets it go

  // Any thread. False where no thread could be started and none runs.
  bool post(std::function<void()> job);

  // From within a job: calls work(i) for each i below `count`, in this thread, and in as many of those that
  // happen to be free as there is waiting for; returns when all are done.
  void spread(std::size_t count, std::function<void(std::size_t)> work);

  // Drops what has not begun; waits for nothing.
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace copper
