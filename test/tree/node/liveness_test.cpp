// Who is silent is asked; who stays silent is dead, until it is heard of again.
#include "tree/node/liveness.h"

#include <catch2/catch.hpp>

#include "tree/limits.h"

namespace copper {
namespace {

using namespace std::chrono_literals;

constexpr Rank peer{3};

// Looks as often as a rank that waits does; true where the peer died.
bool dies_within(Liveness& liveness, Instant& now, Duration time) {
  for (const auto end = now + time; now < end; now += limits::peer_look)
    if (!liveness.look(now).died.empty()) return true;
  return false;
}

}  // namespace

TEST_CASE("who owes nothing is not asked, however long it is silent") {
  Liveness liveness;
  CHECK_FALSE(liveness.deadline().has_value());
  liveness.owes(peer, Instant{1s});
  liveness.paid(peer);
  CHECK_FALSE(liveness.deadline().has_value());
  CHECK(liveness.look(Instant{1h}).ask.empty());
}

TEST_CASE("who owes and is silent is asked once, and lives if it answers") {
  Liveness liveness;
  Instant now{1h};
  liveness.owes(peer, now);
  CHECK(liveness.deadline() == now + limits::peer_patience);
  CHECK(liveness.look(now + limits::peer_patience - 1ns).ask.empty());
  now += limits::peer_patience;
  CHECK(liveness.look(now).ask == std::vector{peer});
  CHECK(liveness.look(now).ask.empty());
  now += 1s;
  liveness.heard(peer, now);
  CHECK_FALSE(dies_within(liveness, now, limits::peer_patience));
  CHECK(liveness.look(now).ask == std::vector{peer});  // storage is slow: it owes still
}

TEST_CASE("who does not answer is dead, and lives again when it is heard of") {
  Liveness liveness;
  Instant now{1h};
  liveness.owes(peer, now);
  now += limits::peer_patience;
  liveness.look(now);
  CHECK(dies_within(liveness, now, limits::peer_patience + 2 * limits::peer_look));
  CHECK(liveness.dead(peer));
  CHECK_FALSE(liveness.deadline().has_value());
  liveness.heard(peer, now);
  CHECK_FALSE(liveness.dead(peer));
}

TEST_CASE("a machine that stood still is no death of others") {
  Liveness liveness;
  Instant now{1h};
  liveness.owes(peer, now);
  now += 1h;
  CHECK(liveness.look(now).ask == std::vector{peer});
  now += 1h;
  CHECK(liveness.look(now).died.empty());
  CHECK_FALSE(liveness.dead(peer));
}

TEST_CASE("who is watched is asked though it owes nothing, again when it is dead, and is lost at last") {
  Liveness liveness;
  Instant now{1h};
  liveness.watch(peer, now);
  CHECK(liveness.deadline() == now + limits::watch_pause);
  now += limits::watch_pause;
  CHECK(liveness.look(now).ask == std::vector{peer});
  std::size_t asked = 0;
  bool died = false;
  std::vector<Rank> lost;
  Duration silence{};
  for (; lost.empty() && silence < 2 * limits::peer_lost; silence += limits::peer_look) {
    now += limits::peer_look;
    auto look = liveness.look(now);
    asked += look.ask.size();
    died = died || !look.died.empty();
    lost = look.lost;
  }
  CHECK(died);
  CHECK(lost == std::vector{peer});
  CHECK(silence >= limits::peer_lost - limits::peer_look);
  CHECK(asked == limits::peer_lost / limits::watch_pause - 1);
  CHECK_FALSE(liveness.deadline().has_value());
}

TEST_CASE("who is watched and answers before it is lost is trusted again") {
  Liveness liveness;
  Instant now{1h};
  liveness.watch(peer, now);
  for (int n = 0; n < 10; ++n) {
    now += limits::watch_pause;
    CHECK(liveness.look(now).ask == std::vector{peer});
    CHECK(dies_within(liveness, now, limits::peer_lost - limits::watch_pause));
    liveness.heard(peer, now);
    CHECK_FALSE(liveness.dead(peer));
  }
}

TEST_CASE("a machine that stood still again and again loses nobody") {
  Liveness liveness;
  Instant now{1h};
  liveness.watch(peer, now);
  now += limits::watch_pause;
  liveness.look(now);
  for (int n = 0; n < 50; ++n) {
    now += 1h;
    CHECK(liveness.look(now).lost.empty());
  }
}

}  // namespace copper
