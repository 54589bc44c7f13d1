// The index of what a rank has ready, as its front end and its successor meet it in shared memory.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "tree/node/store.h"

namespace copper::simulation {

// Of outcomes with bytes: errors lie nowhere.
class SimulatedIndex final : public ReadyIndex {
 public:
  void insert(const Key& key, const Outcome& outcome) override {
    if (outcome.value.ok()) outcomes_.insert_or_assign(key, outcome);
  }
  void erase(const Key& key) override { outcomes_.erase(key); }

  const std::unordered_map<Key, Outcome, KeyHash>& outcomes() const { return outcomes_; }
  const Outcome* find(const Key& key) const {
    const auto found = outcomes_.find(key);
    return found == outcomes_.end() ? nullptr : &found->second;
  }
  bool is_of(const Store& store) const {
    std::size_t ready = 0;
    bool same = true;
    store.each_ready([&](const Key& key, const Ready& entry) {
      if (!entry.outcome.value.ok() || entry.suspect) return;
      ++ready;
      const auto* found = find(key);
      same = same && found != nullptr && found->tag == entry.outcome.tag &&
             found->fresh_until == entry.outcome.fresh_until;
    });
    return same && ready == outcomes_.size();
  }

 private:
  std::unordered_map<Key, Outcome, KeyHash> outcomes_;
};

}  // namespace copper::simulation
