// The index of what is ready, in the segment (layout.h). One writer, the rank's thread; readers, the front
// end's threads, that need neither a lock nor the rank: the index is whole between any two stores of a rank
// that was killed. After: sequence locks (Hemminger and Lameter, Linux 2.5.60), here without a reader that
// waits: what changes while it is read is as good as not there.
//
// A view: the segment must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "service/segment/layout.h"

namespace copper {

class SharedIndex {
 public:
  explicit SharedIndex(std::span<segment::IndexBucket> buckets) : buckets_(buckets) {}

  // The rank. A key is known by its hash alone; who finds it compares.
  struct Shown {
    std::uint64_t block = 0;
    std::int64_t fresh_until_ns = 0;
  };
  // All that is shown, by hash.
  std::unordered_map<std::uint64_t, Shown> shown() const;
  void insert(std::uint64_t hash, std::uint64_t block, std::int64_t fresh_until_ns);
  void erase(std::uint64_t hash);

  // A reader. What it does with the block counts only where the same is seen() still.
  struct Seen {
    const segment::IndexSlot* slot = nullptr;
    std::uint64_t sequence = 0;
    std::uint64_t block = 0;
    std::int64_t fresh_until_ns = 0;
  };
  std::optional<Seen> find(std::uint64_t hash) const;
  static bool unchanged(const Seen& seen);

 private:
  segment::IndexBucket& bucket(std::uint64_t hash) const { return buckets_[hash & (buckets_.size() - 1)]; }

  std::span<segment::IndexBucket> buckets_;  // a power of two
};

}  // namespace copper
