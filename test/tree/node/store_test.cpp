// The store's bound, its order, and the waiting clients.
#include "tree/node/store.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>

namespace copper {
namespace {

using namespace std::chrono_literals;

Ready bytes(std::size_t size, bool suspect = false) {
  const auto data = Bytes::copy_of(std::string(size, 'x'));
  return {.outcome = {data, tag_of(data.span()), Instant::max()}, .suspect = suspect, .askers = {}};
}
Ready absent_name() { return {.outcome = {Errno{ENOENT}, 0, Instant::max()}, .askers = {}}; }
Key key(int n) { return Key::entry("/k" + std::to_string(n)); }
constexpr std::size_t cost(std::size_t size) { return Store::overhead + 3 + size; }  // of key(0..9)

bool any(const Bytes&) { return true; }

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

TEST_CASE("the first in goes first, unless it was used: then it is spared once for each use, up to three") {
  Store store(3 * cost(100));
  for (int n = 0; n < 3; ++n) CHECK(store.keep(key(n), bytes(100)) == 0);
  store.touch(key(0));
  CHECK(store.keep(key(3), bytes(100)) == 1);
  CHECK(store.ready(key(0)) != nullptr);
  CHECK(store.ready(key(1)) == nullptr);
  CHECK(store.ready(key(2)) != nullptr);
  CHECK(store.ready(key(3)) != nullptr);
  CHECK(store.bytes() == store.bound());
  for (int use = 0; use < 9; ++use) store.touch(key(0));
  for (int n = 4; n < 10; ++n) store.keep(key(n), bytes(100));
  CHECK(store.ready(key(0)) != nullptr);
}

TEST_CASE("a scan of many times the bound leaves what was used") {
  Store store(100 * cost(100));
  const auto used = [](int n) { return Key::entry("/u" + std::to_string(10 + n)); };
  const auto scanned = [](int n) { return Key::entry("/s" + std::to_string(1000 + n)); };
  for (int n = 0; n < 50; ++n) {
    store.keep(used(n), bytes(100));
    store.touch(used(n));
  }
  for (int n = 0; n < 1000; ++n) store.keep(scanned(n), bytes(100));
  int left = 0;
  for (int n = 0; n < 50; ++n) left += store.ready(used(n)) != nullptr;
  CHECK(left == 50);
}

TEST_CASE("who was dropped and comes back stays longer than who comes newly") {
  Store store(20 * cost(100));
  for (int n = 10; n < 40; ++n) store.keep(key(n), bytes(100));
  REQUIRE(store.ready(key(19)) == nullptr);
  store.keep(key(19), bytes(100));
  for (int n = 50; n < 90; ++n) store.keep(key(n), bytes(100));
  CHECK(store.ready(key(19)) != nullptr);
  CHECK(store.ready(key(89)) != nullptr);
  CHECK(store.ready(key(39)) == nullptr);
}

TEST_CASE("what is renewed is no newcomer") {
  Store store(20 * cost(100));
  store.keep(key(10), bytes(100));
  store.begin(key(10), Instant{});
  auto ended = store.end(key(10));
  auto renewed = bytes(100);
  renewed.known = ended.known;
  store.keep(key(10), renewed);
  for (int n = 50; n < 90; ++n) store.keep(key(n), bytes(100));
  CHECK(store.ready(key(10)) != nullptr);
}

TEST_CASE("what all have goes before everything else, unless it is asked for all the same") {
  Store store(5 * cost(100));
  for (int n = 0; n < 5; ++n) store.keep(key(n), bytes(100));
  store.spend(key(3));
  store.spend(key(4));
  store.touch(key(3));
  store.keep(key(5), bytes(100));
  CHECK(store.ready(key(4)) == nullptr);
  CHECK(store.ready(key(0)) != nullptr);
  CHECK(store.ready(key(3)) != nullptr);
}

TEST_CASE("bytes that somebody uses are not dropped to make room") {
  Store store(1 << 20);
  for (int n = 0; n < 4; ++n) store.keep(key(n), bytes(100));
  const auto used = *store.ready(key(0))->outcome.value;
  const auto frees = [](const Bytes& held) { return held.owner().use_count() == 1; };
  CHECK(store.make_room(1000, frees).bytes == 300);
  CHECK(store.ready(key(0)) != nullptr);
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
  const auto dropped = store.make_room(150, any);
  CHECK(dropped.outcomes == 2);
  CHECK(dropped.bytes == 200);
  CHECK(store.ready(key(0)) != nullptr);
  CHECK(store.ready(key(2)) == nullptr);
  CHECK(store.ready(key(3)) != nullptr);
  CHECK(store.make_room(1 << 20, any).bytes == 200);
  CHECK(store.outcomes() == 1);
}

TEST_CASE("questions are visited oldest first, outcomes as they came") {
  Store store(1 << 20);
  for (int n = 0; n < 6; ++n) store.keep(key(n), bytes(1));
  for (const int n : {4, 1, 5}) store.begin(key(n), Instant{});
  std::string order;
  store.each_pending([&](const Key& k, const Pending&) {
    order += k.path.str().back();
    return true;
  });
  store.each_ready([&](const Key& k, const Ready&) { order += k.path.str().back(); });
  CHECK(order == "415023");
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
    if (upto(1000) == 0) store.make_room(upto(3000), any);
    if (step % 100 == 0) REQUIRE(store.bytes() == counted(store));
    if (store.bytes() > store.bound()) FAIL("over the bound at step " << step);
  }
}

TEST_CASE("the index holds what is ready, through every change") {
  struct Index final : ReadyIndex {
    void insert(const Key& k, const Outcome& outcome) override { fresh[k] = outcome.fresh_until; }
    void erase(const Key& k) override { fresh.erase(k); }
    std::map<Key, Instant> fresh;
  } index;
  Store store(5 * cost(100), &index);
  const auto same = [&] {
    std::map<Key, Instant> ready;
    store.each_ready([&](const Key& k, const Ready& entry) {
      if (!entry.suspect) ready[k] = entry.outcome.fresh_until;
    });
    return ready == index.fresh;
  };
  std::minstd_rand random(7);
  for (int step = 0; step < 2000; ++step) {
    const auto k = key(static_cast<int>(random() % 10));
    if (store.pending(k) != nullptr) {
      store.end(k);
    } else if (store.ready(k) == nullptr) {
      store.keep(k, bytes(random() % 300, random() % 9 == 0));
    } else if (const auto what = random() % 6; what == 0) {
      store.begin(k, Instant{});
    } else if (what == 1) {
      store.forget(k);
    } else if (what == 2) {
      store.touch(k);
    } else if (what == 3) {
      store.spend(k);
    } else if (what == 4) {
      store.suspect(k);
    } else {
      store.set_fresh_until(k, Instant{std::chrono::seconds{step}});
    }
    if (random() % 50 == 0) store.make_room(200, any);
    REQUIRE(same());
  }
}

}  // namespace copper
