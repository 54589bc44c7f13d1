// Threads are detached and share the state, so that one which storage holds can be left behind.
#include "service/storage/reader_pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace copper {
namespace {

// A thread inherits the signal mask of the one that starts it.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace

using Clock = std::chrono::steady_clock;

constexpr auto stuck_after = std::chrono::seconds{1};
constexpr std::size_t stuck_factor = 8;

struct ReaderPool::State {
  explicit State(std::size_t most) : threads_max(most) {}

  const std::size_t threads_max;
  std::mutex mutex;  // guards what follows
  std::condition_variable posted;
  std::deque<std::function<void()>> jobs;
  std::size_t threads = 0;
  std::size_t idle = 0;  // those that have just been started counted
  Clock::time_point last_done = Clock::now();
  bool stopping = false;

  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      posted.wait(lock, [this] { return stopping || !jobs.empty(); });
      --idle;
      if (stopping) return;
      auto job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      job();
      job = nullptr;
      lock.lock();
      last_done = Clock::now();
      ++idle;
    }
  }
};

ReaderPool::ReaderPool(std::size_t threads_max)
    : state_(std::make_shared<State>(std::max<std::size_t>(threads_max, 1))) {}

ReaderPool::~ReaderPool() { stop(); }

bool ReaderPool::post(std::function<void()> job) {
  const std::lock_guard lock(state_->mutex);
  if (state_->stopping) return true;  // dropped, as all that waits
  if (state_->jobs.empty() && state_->idle == state_->threads) state_->last_done = Clock::now();
  const bool stuck = Clock::now() - state_->last_done > stuck_after;
  const auto most = state_->threads_max * (stuck ? stuck_factor : 1);
  state_->jobs.push_back(std::move(job));
  while (state_->jobs.size() > state_->idle && state_->threads < most) {
    try {
      const SignalsBlocked blocked;
      std::thread([state = state_] { state->run(); }).detach();
      ++state_->threads;
      ++state_->idle;
    } catch (const std::system_error&) {
      if (state_->threads > 0) break;
      state_->jobs.pop_back();
      return false;
    }
  }
  state_->posted.notify_one();
  return true;
}

void ReaderPool::spread(std::size_t count, std::size_t share, std::function<void(std::size_t)> work) {
  struct Spread {
    std::size_t count;
    std::size_t share;
    std::function<void(std::size_t)> work;
    std::atomic<std::size_t> next{0};
    std::mutex mutex;  // guards `done`
    std::condition_variable all_done;
    std::size_t done = 0;

    void run() {
      for (;;) {
        const std::size_t begin = next.fetch_add(share);
        if (begin >= count) return;
        const std::size_t end = std::min(begin + share, count);
        for (std::size_t i = begin; i < end; ++i) work(i);
        const std::lock_guard lock(mutex);
        done += end - begin;
        if (done == count) all_done.notify_all();
      }
    }
  };
  if (count == 0) return;
  const auto spread = std::make_shared<Spread>(count, share, std::move(work));
  const std::size_t helpers = std::min((count - 1) / share, state_->threads_max - 1);
  for (std::size_t i = 0; i < helpers; ++i) post([spread] { spread->run(); });
  spread->run();
  std::unique_lock lock(spread->mutex);
  spread->all_done.wait(lock, [&] { return spread->done == count; });
}

void ReaderPool::stop() {
  std::deque<std::function<void()>> dropped;  // outside of the lock
  const std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  dropped.swap(state_->jobs);
  state_->posted.notify_all();
}

}  // namespace copper
