// The node's clock: CLOCK_MONOTONIC, the same for both processes, so instants may cross the segment.
#pragma once

#include <chrono>

#include "tree/outcome.h"

namespace copper {

inline Instant clock_now() {
  return Instant{std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

inline double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace copper
