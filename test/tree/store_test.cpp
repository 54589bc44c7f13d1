// The store's bound, its order, and the waiting clients.
#include "tree/store.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>

namespace copper {
namespace {

using namespace std::chrono_literals;

Ready bytes(std::size_t size, bool suspect = false) {
  const auto data = Bytes::copy_of(std::string(size, 'x'));
  return {{data, tag_of(data.span()), Instant::max()}, suspect, {}, 0};
}
Ready absent_name() { return {{Errno{ENOENT}, 0, Instant::max()}, false, {}, 0}; }
Key key(int n) { return Key::entry("/k" + std::to_string(n)); }
constexpr std::size_t cost(std::size_t size) { return Store::overhead + 3 + size; }  // of key(0..9)

// What bytes() has to be, counted from outside.
std::size_t counted(const Store& store) {
  std::size_t sum = 0;
  const auto add = [&](const Key& k, const Outcome& outcome) {
    sum += Store::overhead + k.path.size() + (outcome.value.ok() ? outcome.value->size() : 0);
  };
  store.each_ready([&](const Key& k, const Ready& ready) { add(k, ready.outcome); });
  store.each_pending([&](const Key& k, const Pending& pending) {
    if (pending.previous) add(k, *pending.previous);
    return true;
  });
  return sum;
}

}  // namespace

TEST_CASE("the least recently used outcome goes first") {
  Store store(3 * cost(100));
  for (int n = 0; n < 3; ++n) CHECK(store.keep(key(n), bytes(100)) == 0);
  store.touch(key(0));
  CHECK(store.keep(key(3), bytes(100)) == 1);
  CHECK(store.ready(key(0)) != nullptr);
  CHECK(store.ready(key(1)) == nullptr);
  CHECK(store.ready(key(2)) != nullptr);
  CHECK(store.ready(key(3)) != nullptr);
  CHECK(store.bytes() == store.bound());
}

TEST_CASE("an outcome that exceeds the bound is not kept, and drops nothing") {
  Store store(cost(100));
  store.keep(key(0), bytes(100));
  CHECK(store.keep(key(1), bytes(101)) == 0);
  CHECK_FALSE(store.contains(key(1)));
  CHECK(store.ready(key(0)) != nullptr);
}

TEST_CASE("absent names are bounded too") {
  Store store(cost(0) * 5);
  for (int n = 0; n < 10; ++n) store.keep(key(n), absent_name());
  CHECK(store.outcomes() == 5);
  CHECK(store.bytes() <= store.bound());
}

TEST_CASE("a previous outcome counts while its renewal is under way, and is not dropped") {
  Store store(2 * cost(100));
  store.keep(key(0), bytes(100));
  auto& pending = store.begin(key(0), Instant{1s});
  CHECK(pending.previous.has_value());
  CHECK(pending.since == Instant{1s});
  CHECK(store.bytes() == cost(100));
  store.keep(key(1), bytes(100));
  CHECK(store.keep(key(2), bytes(100)) == 1);
  CHECK(store.pending(key(0))->previous.has_value());
  store.end(key(0));
  CHECK(store.bytes() == cost(100));
}

TEST_CASE("errors and suspect bytes are no previous outcome") {
  Store store(10 * cost(100));
  store.keep(key(0), absent_name());
  CHECK_FALSE(store.begin(key(0), Instant{}).previous.has_value());
  store.keep(key(1), bytes(100, true));
  CHECK_FALSE(store.begin(key(1), Instant{}).previous.has_value());
  CHECK(store.bytes() == 0);
}

TEST_CASE("a client that goes away leaves the list it waits in, and no other") {
  Store store(0);
  store.begin(key(0), Instant{});
  store.join(key(0), {Client{1}, 0});
  store.join(key(0), {Rank{1}, 0});
  store.join(key(0), {Client{2}, 0});
  CHECK(store.drop_client(Client{1}));
  CHECK_FALSE(store.drop_client(Client{1}));
  CHECK(store.waiting_clients() == 1);
  const auto ended = store.end(key(0));
  REQUIRE(ended.waiters.size() == 2);
  CHECK(ended.waiters[0].asker == Asker{Rank{1}});
  CHECK(ended.waiters[1].asker == Asker{Client{2}});
  CHECK(store.waiting_clients() == 0);
  CHECK_FALSE(store.drop_client(Client{2}));
}

TEST_CASE("clients go away by the thousand where their worker died") {
  Store store(0);
  for (int n = 0; n < 10; ++n) {
    store.begin(key(n), Instant{});
    store.join(key(n), {Client{static_cast<std::uint64_t>(n)}, 0});
  }
  CHECK(store.drop_clients([](Client client) { return static_cast<std::uint64_t>(client) < 4; }) == 4);
  CHECK(store.waiting_clients() == 6);
  CHECK(store.questions() == 10);
}

TEST_CASE("room is made of bytes, not of absent names") {
  Store store(1 << 20);
  store.keep(key(0), absent_name());
  for (int n = 1; n < 5; ++n) store.keep(key(n), bytes(100));
  const auto dropped = store.make_room(150);
  CHECK(dropped.outcomes == 2);
  CHECK(dropped.bytes == 200);
  CHECK(store.ready(key(0)) != nullptr);
  CHECK(store.ready(key(2)) == nullptr);
  CHECK(store.ready(key(3)) != nullptr);
  CHECK(store.make_room(1 << 20).bytes == 200);
  CHECK(store.outcomes() == 1);
}

TEST_CASE("questions are visited oldest first, outcomes least recently used first") {
  Store store(1 << 20);
  for (int n = 0; n < 6; ++n) store.keep(key(n), bytes(1));
  for (const int n : {4, 1, 5}) store.begin(key(n), Instant{});
  store.touch(key(0));
  std::string order;
  store.each_pending([&](const Key& k, const Pending&) {
    order += k.path.str().back();
    return true;
  });
  store.each_ready([&](const Key& k, const Ready&) { order += k.path.str().back(); });
  CHECK(order == "415230");
}

TEST_CASE("whatever happens, the bytes are counted right and within the bound") {
  std::mt19937_64 random(1);
  Store store(20 * cost(300));
  const auto upto = [&](std::uint64_t n) { return random() % n; };
  for (int step = 0; step < 100'000; ++step) {
    const auto k = key(static_cast<int>(upto(60)));
    if (store.pending(k) != nullptr) {
      if (upto(4) == 0) store.forget_previous(k);
      store.end(k);
      if (upto(3) != 0) store.keep(k, upto(3) == 0 ? absent_name() : bytes(upto(1000), upto(5) == 0));
    } else if (store.ready(k) != nullptr && upto(3) == 0) {
      store.touch(k);
    } else {
      store.begin(k, Instant{});
    }
    if (upto(1000) == 0) store.make_room(upto(3000));
    if (step % 100 == 0) REQUIRE(store.bytes() == counted(store));
    if (store.bytes() > store.bound()) FAIL("over the bound at step " << step);
  }
}

}  // namespace copper
