// The rank's turns, and its waits between them. One thread, the rank's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "service/idle.h"
#include "service/mpi/transport.h"
#include "service/outputs/outputs.h"
#include "service/segment/segment.h"
#include "tree/engine.h"

namespace copper {

class Turns {
 public:
  Turns(Engine& engine, MpiTransport& transport, Segment& segment, Outputs& outputs)
      : engine_(engine),
        transport_(transport),
        segment_(segment),
        outputs_(outputs),
        idle_(segment, engine.node().topology().ranks() == 1) {}

  // Some turns; when the last of them began.
  Instant take() {
    idle_.before_turn();
    Instant now;
    events_ = 0;
    for (int turn = 0; turn < turns_per_wake; ++turn) {
      now = sign_of_life();
      events_ += engine_.turn(now);
    }
    outputs_.look(engine_, now);
    return now;
  }
  // After a turn at `now`, until there may be something to do, or until `due`.
  void wait(Instant now, Instant due) {
    if (events_ > 0) return idle_.active(now);
    idle_.wait(now, transport_.bulk_outstanding(),
               std::min(engine_.deadline().value_or(Instant::max()), due));
  }

 private:
  static constexpr int turns_per_wake = 4;  // some MPIs need several to report one message

  // Before each turn: one that receives much can take long where cores are shared.
  Instant sign_of_life() {
    const auto now = monotonic_now();
    segment_.header().service_alive_ns.store(static_cast<std::uint64_t>(now.time_since_epoch().count()),
                                             std::memory_order_relaxed);
    return now;
  }

  Engine& engine_;
  MpiTransport& transport_;
  Segment& segment_;
  Outputs& outputs_;
  Idle idle_;
  std::size_t events_ = 0;
};

}  // namespace copper
