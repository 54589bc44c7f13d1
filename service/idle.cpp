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
constexpr int idle_share =
    8;  // sleep for an eighth of the time that nothing happened: a message waits no longer
constexpr Duration shortest_sleep = 10us;
constexpr Duration longest_sleep = 1ms;
constexpr Duration idle_after = 10s;
constexpr Duration idle_sleep = 10ms;

}  // namespace

Idle::Idle(Segment& segment) : segment_(segment) {
  ::prctl(PR_SET_TIMERSLACK, 1000UL);  // 1 us: sleeps of 10 us mean it
}

void Idle::wait(Instant now, bool bulk_outstanding, Instant deadline) {
  const auto idle = now - last_active_;
  if (idle < spin_time) return;
  if (bulk_outstanding) {
    ::sched_yield();
    return;
  }
  const auto sleep =
      idle > idle_after ? idle_sleep : std::clamp(idle / idle_share, shortest_sleep, longest_sleep);
  segment_.wait_service(seen_, std::clamp(deadline - now, Duration::zero(), sleep));
}

Instant monotonic_now() {
  timespec ts{};
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return Instant{std::chrono::seconds{ts.tv_sec} + std::chrono::nanoseconds{ts.tv_nsec}};
}

}  // namespace copper
