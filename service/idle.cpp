// See idle.h. The constants are the design's; docs/measurements.md has what they cost and bring.
#include "service/idle.h"

#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <chrono>

namespace copper {
namespace {

using namespace std::chrono_literals;

constexpr Duration spin_time = 20us;
constexpr Duration shortest_sleep = 10us;
constexpr Duration longest_sleep = 1ms;
constexpr Duration idle_after = 10s;
constexpr Duration idle_sleep = 10ms;

}  // namespace

Idle::Idle(Segment& segment) : segment_(segment), sleep_(shortest_sleep) {
  ::prctl(PR_SET_TIMERSLACK, 1000UL);  // 1 us: sleeps of 10 us mean it
}

void Idle::active(Instant now) {
  last_active_ = now;
  sleep_ = shortest_sleep;
}

void Idle::wait(Instant now, bool bulk_outstanding, Instant deadline) {
  const auto idle = now - last_active_;
  if (idle < spin_time) return;
  if (bulk_outstanding) {
    ::sched_yield();
    return;
  }
  segment_.wait_service(seen_, std::clamp(deadline - now, Duration::zero(), sleep_));
  sleep_ = std::min(sleep_ * 2, idle > idle_after ? idle_sleep : longest_sleep);
}

Instant monotonic_now() {
  timespec ts{};
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return Instant{std::chrono::seconds{ts.tv_sec} + std::chrono::nanoseconds{ts.tv_nsec}};
}

}  // namespace copper
