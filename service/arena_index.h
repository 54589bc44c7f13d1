// The index that the rank keeps of what is ready, for its front end: outcomes whose bytes lie in the arena.
// One thread, the rank's.
#pragma once

#include "service/arena.h"
#include "service/segment/segment.h"
#include "tree/store.h"

namespace copper {

class ArenaIndex final : public ReadyIndex {
 public:
  // Both outlive this.
  ArenaIndex(const Segment& segment, const Arena& arena) : shared_(segment.index()), arena_(arena) {}

  void insert(const Key& key, const Outcome& outcome) override {
    const auto block = outcome.value.ok() ? arena_.block_of(*outcome.value) : std::nullopt;
    if (block) shared_.insert(KeyHash{}(key), *block, outcome.fresh_until.time_since_epoch().count());
  }
  void erase(const Key& key) override { shared_.erase(KeyHash{}(key)); }

 private:
  SharedIndex shared_;
  const Arena& arena_;
};

}  // namespace copper
