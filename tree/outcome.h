// What a key is answered with: bytes or storage's own errno, and how long that is still fresh.
#pragma once

#include <chrono>
#include <cstdint>

#include "tree/bytes.h"
#include "tree/result.h"

namespace copper {

// The tree's clock is whatever the caller says it is: CLOCK_MONOTONIC in production, the event queue in
// simulation.
struct Timeline {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<Timeline>;
  static constexpr bool is_steady = true;
};
using Instant = Timeline::time_point;
using Duration = Timeline::duration;

// Fresh for as long as the job runs.
inline constexpr Duration for_the_job = Duration::max();

// now + d, at most Instant::max() (for the job), and what is left of `until` (never negative; for_the_job
// stays for_the_job).
constexpr Instant after(Instant now, Duration d) {
  return d > Instant::max() - now ? Instant::max() : now + d;
}
constexpr Duration left(Instant until, Instant now) {
  if (until == Instant::max()) return for_the_job;
  return until > now ? until - now : Duration::zero();
}

struct Outcome {
  Result<Bytes> value = Errno{EIO};
  Tag tag = 0;  // of the bytes; zero for an error
  Instant fresh_until{};

  bool fresh(Instant now) const { return now < fresh_until; }
};

// Only these errors are remembered; every other one is told to those who wait and forgotten.
constexpr bool remembered(Errno error) { return error == Errno{ENOENT} || error == Errno{ENOTDIR}; }
inline bool worth_keeping(const Outcome& outcome, Instant now) {
  return outcome.value.ok() || (remembered(outcome.value.error()) && outcome.fresh(now));
}

}  // namespace copper
