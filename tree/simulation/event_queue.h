// Simulated time: what happens, in the order of its instants; of equal instants, in the order of posting.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "tree/assert.h"
#include "tree/outcome.h"

namespace copper::simulation {

class EventQueue {
 public:
  using What = std::function<void()>;

  Instant now() const { return now_; }
  std::uint64_t happened() const { return happened_; }

  void at(Instant when, What what) {
    ensure(when >= now_, "nothing happens in the past");
    std::size_t slot = slots_.size();
    if (free_.empty()) {
      slots_.push_back(std::move(what));
    } else {
      slot = free_.back();
      free_.pop_back();
      slots_[slot] = std::move(what);
    }
    order_.push({when, posted_++, slot});
  }
  void after(Duration delay, What what) { at(now_ + delay, std::move(what)); }

  // The next event happens. False: there is none.
  bool step() {
    if (order_.empty()) return false;
    const auto next = order_.top();
    order_.pop();
    now_ = next.at;
    ++happened_;
    const auto what = std::exchange(slots_[next.slot], nullptr);
    free_.push_back(next.slot);
    what();
    return true;
  }

 private:
  struct Place {
    Instant at;
    std::uint64_t posted;
    std::size_t slot;
    friend bool operator>(const Place& a, const Place& b) {
      return a.at != b.at ? a.at > b.at : a.posted > b.posted;
    }
  };
  std::priority_queue<Place, std::vector<Place>, std::greater<>> order_;
  std::vector<What> slots_;
  std::vector<std::size_t> free_;
  Instant now_{};
  std::uint64_t posted_ = 0;
  std::uint64_t happened_ = 0;
};

}  // namespace copper::simulation
