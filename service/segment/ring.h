// One end of a ring in the segment. Single producer, single consumer; either side may be killed at any
// moment. The other side's index is believed only as far as it is plausible (0 <= tail - head <= N): else
// nothing is there and no room, and neither end brings that about. Records are copied out before they are
// looked at, so that a record changed under the reader is at worst refused.
#pragma once

#include <atomic>
#include <cstdint>

#include "service/segment/layout.h"

namespace copper {

// Neither end has written other indices.
template <class Record, std::uint32_t N>
bool plausible(const segment::RingArea<Record, N>& area) {
  const auto head = area.head.load(std::memory_order_acquire);  // before the tail, which is never behind it
  return area.tail.load(std::memory_order_acquire) - head <= N;
}

template <class Record, std::uint32_t N>
class RingProducer {
  static_assert((N & (N - 1)) == 0, "indices may wrap around");

 public:
  explicit RingProducer(segment::RingArea<Record, N>& area) : area_(&area) {}

  // The record to fill next, or null when the ring is full. publish() hands it over.
  Record* reserve() {
    const auto tail = area_->tail.load(std::memory_order_relaxed);
    if (tail - area_->head.load(std::memory_order_acquire) >= N) return nullptr;
    return &area_->records[tail % N];
  }
  // Returns true where the consumer said that it sleeps: ring its bell.
  bool publish() {
    area_->tail.store(area_->tail.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
    return area_->consumer_asleep.load(std::memory_order_seq_cst) != 0;
  }
  bool half_full() const {
    return area_->tail.load(std::memory_order_relaxed) - area_->head.load(std::memory_order_relaxed) >= N / 2;
  }

 private:
  segment::RingArea<Record, N>* area_;
};

template <class Record, std::uint32_t N>
class RingConsumer {
 public:
  // Goes on where a former consumer of the ring was; where that cannot be, with what comes next.
  explicit RingConsumer(segment::RingArea<Record, N>& area) : area_(&area) {
    if (!plausible(area)) area.head.store(area.tail.load(std::memory_order_acquire));
  }

  // The oldest record, in place, or null. Copy what you need of it, check it, then pop().
  const Record* front() const {
    const auto head = area_->head.load(std::memory_order_relaxed);
    const auto waiting =
        area_->tail.load(std::memory_order_seq_cst) - head;  // after "asleep", where that was said
    if (waiting == 0 || waiting > N) return nullptr;
    return &area_->records[head % N];
  }
  void pop() {
    area_->head.store(area_->head.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  // Say "asleep" before the last look; say "awake" when up. Between them poll on the bell.
  bool may_sleep() {
    area_->consumer_asleep.store(1, std::memory_order_seq_cst);
    if (front() == nullptr) return true;
    awake();
    return false;
  }
  void awake() { area_->consumer_asleep.store(0, std::memory_order_seq_cst); }

 private:
  segment::RingArea<Record, N>* area_;
};

using PostProducer = RingProducer<segment::PostRecord, segment::posts_per_lane>;
using PostConsumer = RingConsumer<segment::PostRecord, segment::posts_per_lane>;
using CompletionProducer = RingProducer<segment::CompletionRecord, segment::completions_per_lane>;
using CompletionConsumer = RingConsumer<segment::CompletionRecord, segment::completions_per_lane>;

}  // namespace copper
