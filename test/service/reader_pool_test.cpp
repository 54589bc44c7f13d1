// Jobs that are held by a gate stand for storage that does not answer.
#include "service/storage/reader_pool.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <set>
#include <thread>
#include <vector>

namespace copper {

TEST_CASE("jobs run side by side up to the bound, and each one once") {
  ReaderPool pool(4);
  std::promise<void> open;
  const auto gate = open.get_future().share();
  std::atomic<int> running{0};
  std::vector<std::future<void>> done;
  for (int i = 0; i < 20; ++i) {
    auto finished = std::make_shared<std::promise<void>>();
    done.push_back(finished->get_future());
    REQUIRE(pool.post([&running, gate, finished] {
      ++running;
      gate.wait();
      finished->set_value();
    }));
  }
  while (running < 4) std::this_thread::yield();
  CHECK(running == 4);
  open.set_value();
  for (auto& d : done) d.wait();
  CHECK(running == 20);
}

TEST_CASE("where every thread hangs for a second, what does not hang goes on") {
  ReaderPool pool(2);
  std::promise<void> open;
  const auto gate = open.get_future().share();
  for (int i = 0; i < 5; ++i) REQUIRE(pool.post([gate] { gate.wait(); }));
  std::promise<void> passed;
  auto passing = passed.get_future();
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});  // the time that the pool waits itself
  REQUIRE(pool.post([&passed] { passed.set_value(); }));
  CHECK(passing.wait_for(std::chrono::seconds{10}) == std::future_status::ready);
  open.set_value();
}

TEST_CASE("work that is spread is done once each, also while every thread spreads") {
  ReaderPool pool(3);
  std::vector<std::future<bool>> done;
  for (int job = 0; job < 9; ++job) {
    auto finished = std::make_shared<std::promise<bool>>();
    done.push_back(finished->get_future());
    pool.post([&pool, finished] {
      std::vector<std::atomic<int>> touched(1000);
      pool.spread(touched.size(), [&](std::size_t i) { ++touched[i]; });
      bool once = true;
      for (const auto& t : touched) once = once && t == 1;
      pool.spread(0, [](std::size_t) {});
      finished->set_value(once);
    });
  }
  for (auto& d : done) CHECK(d.get());
}

TEST_CASE("who waits for an item of what is spread calls others to the rest") {
  ReaderPool pool(4);
  std::promise<bool> together;
  pool.post([&pool, &together] {
    std::mutex mutex;
    std::condition_variable more;
    int within = 0;
    int most = 0;
    pool.spread(12, [&](std::size_t i) {
      if (i == 0) return std::this_thread::sleep_for(std::chrono::milliseconds{1});  // as storage makes it
      std::unique_lock lock(mutex);
      most = std::max(most, ++within);
      more.notify_all();
      more.wait_for(lock, std::chrono::seconds{10}, [&] { return most >= 2; });
      --within;
    });
    together.set_value(most >= 2);
  });
  CHECK(together.get_future().get());
}

TEST_CASE("a pool that ends does not wait for a job that is held, and drops what has not begun") {
  std::promise<void> open;
  const auto gate = open.get_future().share();
  const auto began = std::make_shared<std::promise<void>>();
  const auto ended = std::make_shared<std::promise<void>>();
  const auto dropped = std::make_shared<std::atomic<bool>>(true);
  {
    ReaderPool pool(1);
    pool.post([=] {
      began->set_value();
      gate.wait();
      ended->set_value();
    });
    pool.post([dropped] { *dropped = false; });
    began->get_future().wait();
  }
  open.set_value();
  ended->get_future().wait();
  CHECK(*dropped);
}

TEST_CASE("reader threads take no signals") {
  ReaderPool pool(1);
  std::promise<bool> blocked;
  pool.post([&] {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    blocked.set_value(sigismember(&mask, SIGTERM) == 1);
  });
  CHECK(blocked.get_future().get());
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  CHECK(sigismember(&mask, SIGTERM) == 0);
}

}  // namespace copper
