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
constexpr auto worth_help = std::chrono::microseconds{50};  // what it takes to wake several threads

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

  static bool post(const std::shared_ptr<State>& self, std::function<void()> job);

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

bool ReaderPool::post(std::function<void()> job) { return State::post(state_, std::move(job)); }

bool ReaderPool::State::post(const std::shared_ptr<State>& self, std::function<void()> job) {
  const std::lock_guard lock(self->mutex);
  if (self->stopping) return true;  // dropped, as all that waits
  if (self->jobs.empty() && self->idle == self->threads) self->last_done = Clock::now();
  const bool stuck = Clock::now() - self->last_done > stuck_after;
  const auto most = self->threads_max * (stuck ? stuck_factor : 1);
  self->jobs.push_back(std::move(job));
  while (self->jobs.size() > self->idle && self->threads < most) {
    try {
      const SignalsBlocked blocked;
      std::thread([self] { self->run(); }).detach();
      ++self->threads;
      ++self->idle;
    } catch (const std::system_error&) {
      if (self->threads > 0) break;
      self->jobs.pop_back();
      return false;
    }
  }
  self->posted.notify_one();
  return true;
}

// Who has waited for an item calls another thread: as many work as storage keeps waiting, at most half of
// all, and none where a cache answers.
void ReaderPool::spread(std::size_t count, std::function<void(std::size_t)> work) {
  struct Spread {
    const std::shared_ptr<State> pool;
    const std::size_t count;
    const std::function<void(std::size_t)> work;
    std::atomic<std::size_t> next{0};
    std::atomic<std::size_t> helpers{0};
    std::mutex mutex;  // guards `done`
    std::condition_variable all_done;
    std::size_t done = 0;

    static void run(const std::shared_ptr<Spread>& self) {
      for (;;) {
        const std::size_t i = self->next.fetch_add(1);
        if (i >= self->count) return;
        const auto began = Clock::now();
        self->work(i);
        const bool waited = Clock::now() - began > worth_help;
        if (waited && self->next < self->count && self->helpers.fetch_add(1) < self->pool->threads_max / 2) {
          State::post(self->pool, [self] { run(self); });
        }
        const std::lock_guard lock(self->mutex);
        if (++self->done == self->count) self->all_done.notify_all();
      }
    }
  };
  if (count == 0) return;
  const auto spread = std::make_shared<Spread>(state_, count, std::move(work));
  Spread::run(spread);
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
