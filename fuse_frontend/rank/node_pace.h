// This node's share of the pace at which the front ends of a job read storage while no rank answers them
// (tree/pace.h): one for all lanes, whichever of them reads. Each node begins at another moment. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <random>

#include "tree/pace.h"

namespace copper {

class NodePace {
 public:
  // `per_second`: operations of storage, of the whole job. `ranks`: how many share it, one a node; as long as
  // it is 0 nobody has said, and the node takes no more than any node may. It outlives this.
  NodePace(double per_second, const std::atomic<std::uint32_t>& ranks)
      : per_second_(per_second), ranks_(ranks) {}

  // May what costs so many operations begin? Then it is paid for.
  bool take(double operations, Instant now) {
    const std::lock_guard lock(mutex_);
    auto& pace = current(now);
    if (!pace.may(now)) return false;
    pace.costs(operations, now);
    return true;
  }
  // When the next may, unless another lane comes first.
  Instant due(Instant now) {
    const std::lock_guard lock(mutex_);
    return current(now).due(now);
  }

 private:
  Pace& current(Instant now) {
    const auto ranks = ranks_.load(std::memory_order_relaxed);
    if (!pace_ || ranks != shared_by_) {
      std::random_device random;
      const auto chance = std::uniform_real_distribution(0.0, 1.0)(random);
      const auto shares = ranks == 0 ? std::numeric_limits<double>::infinity() : ranks;
      pace_ = direct_pace(per_second_, shares, chance, now);
      shared_by_ = ranks;
    }
    return *pace_;
  }

  const double per_second_;
  const std::atomic<std::uint32_t>& ranks_;
  std::mutex mutex_;          // guards what follows
  std::optional<Pace> pace_;  // from when it is first needed
  std::uint32_t shared_by_ = 0;
};

}  // namespace copper
