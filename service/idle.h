// How the rank waits. MPI offers nothing to sleep on, and blocking in it burns a core: so spin for a moment
// after activity, yield while payloads are under way, then sleep on the segment's doorbell with a growing
// timeout. A local request, or a storage reader that is done, ends the sleep at once; only a message from
// another rank waits for it, and where there is none nobody.
#pragma once

#include "service/segment/segment.h"
#include "tree/outcome.h"

namespace copper {

class Idle {
 public:
  Idle(Segment& segment, bool alone);  // alone: there is no other rank

  // Before the turn: what the doorbell says. After a turn that did something: active(). After one that did
  // nothing: wait(), never longer than until `deadline`.
  void before_turn() { seen_ = segment_.doorbell(); }
  void active(Instant now) { last_active_ = now; }
  void wait(Instant now, bool bulk_outstanding, Instant deadline);

 private:
  Segment& segment_;
  const bool alone_;
  std::uint32_t seen_ = 0;
  Instant last_active_{};
};

// CLOCK_MONOTONIC: the same in every process of the node.
Instant monotonic_now();

}  // namespace copper
