// A lane's share of the segment's request slots. The kernel's requests are read straight into them, and a
// slot stays occupied until its request has been replied to, so that a dead worker's successor finds what it
// owed.
//
// One thread, the lane's; except answered(): any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "service/segment/layout.h"

namespace copper {

class Slots {
 public:
  explicit Slots(std::span<segment::RequestSlot> share);

  // A slot to read into, marked `reading`; nothing when all are occupied.
  std::optional<std::size_t> take();
  std::span<std::byte> bytes(std::size_t slot) { return share_[slot].request; }

  void occupied(std::size_t slot, std::size_t bytes);  // a request was read into it
  void answered(std::size_t slot);   // its reply was written: nobody has to know it any more
  void give_back(std::size_t slot);  // it may be taken again

  bool empty() const { return free_.empty(); }

 private:
  std::span<segment::RequestSlot> share_;
  std::vector<std::size_t> free_;
};

}  // namespace copper
