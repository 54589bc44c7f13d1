// How long a rank that found nothing to do leaves it before it looks again. MPI offers nothing to sleep on,
// so a message waits for the end of a sleep: the rank spins for a moment after activity, then sleeps for a
// share of the time that nothing happened, so that a message waits no longer than that share. The rank sleeps
// by it (service/idle.cpp) and the simulator wakes by it; docs/measurements.md has what it costs and brings.
#pragma once

#include <algorithm>

#include "tree/outcome.h"

namespace copper::idle_policy {

inline constexpr Duration spin_time = std::chrono::microseconds{20};
inline constexpr int idle_share = 8;
inline constexpr Duration shortest_sleep = std::chrono::microseconds{10};
inline constexpr Duration longest_sleep = std::chrono::milliseconds{1};
inline constexpr Duration yield_time = std::chrono::milliseconds{10};  // while long payloads are under way
inline constexpr Duration idle_after = std::chrono::seconds{10};
inline constexpr Duration idle_sleep = std::chrono::milliseconds{10};

// After `idle` without anything to do. Zero: look again at once.
constexpr Duration sleep_after(Duration idle) {
  if (idle < spin_time) return Duration::zero();
  if (idle > idle_after) return idle_sleep;
  return std::clamp(idle / idle_share, shortest_sleep, longest_sleep);
}

}  // namespace copper::idle_policy
