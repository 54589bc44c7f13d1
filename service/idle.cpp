// See idle.h; how long is tree/idle_policy.h's.
#include "service/idle.h"

#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <chrono>

#include "tree/idle_policy.h"

namespace copper {

Idle::Idle(Segment& segment, bool alone) : segment_(segment), alone_(alone) {
  ::prctl(PR_SET_TIMERSLACK, 1000UL);  // 1 us: sleeps of 10 us mean it
}

void Idle::wait(Instant now, bool bulk_outstanding, Instant deadline) {
  const auto idle = now - last_active_;
  const auto sleep = idle_policy::sleep_after(idle);
  if (sleep == Duration::zero()) return;
  if (bulk_outstanding && idle < idle_policy::yield_time) {  // longer, and their sender has died
    ::sched_yield();
    return;
  }
  segment_.wait_service(seen_, std::clamp(deadline - now, Duration::zero(),
                                          alone_ ? std::max(sleep, idle_policy::longest_sleep) : sleep));
}

Instant monotonic_now() {
  timespec ts{};
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return Instant{std::chrono::seconds{ts.tv_sec} + std::chrono::nanoseconds{ts.tv_nsec}};
}

}  // namespace copper
