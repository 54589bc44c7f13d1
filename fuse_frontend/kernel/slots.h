// A lane's share of the segment's request slots. The kernel's requests are read straight into them, and a
// slot stays taken until its request has been replied to, so that a dead worker's successor finds what it
// owed.
//
// One thread, the lane's; except answered(): any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "service/segment/layout.h"

namespace copper {

class Slots {
 public:
  // A request whose worker died so often is not tried again.
  static constexpr std::uint32_t deaths_max = 5;

  explicit Slots(std::span<segment::RequestSlot> share);

  // What former workers had read and still owed when this was made, in the order in which the kernel sent it.
  // Their slots are taken.
  const std::vector<std::size_t>& inherited() const { return inherited_; }

  // A slot to read into; nothing when all are taken.
  std::optional<std::size_t> take();
  std::span<std::byte> room(std::size_t slot) { return share_[slot].request; }
  // What was read into it; empty where nothing was.
  std::span<std::byte> request(std::size_t slot);

  std::uint32_t deaths(std::size_t slot) const { return share_[slot].deaths.load(std::memory_order_relaxed); }
  // Does those of the request's `count` steps that no former worker has begun. Each is marked before it is
  // done, so that none is done twice; where a worker dies in between, one is not done at all.
  void each_once(std::size_t slot, std::size_t count, const std::function<void(std::size_t)>& step);

  void answered(std::size_t slot);   // its reply was written: nobody has to know it any more
  void give_back(std::size_t slot);  // it may be taken again

  bool empty() const { return free_.empty(); }

 private:
  std::span<segment::RequestSlot> share_;
  std::vector<std::size_t> free_;
  std::vector<std::size_t> inherited_;
};

}  // namespace copper
