// See slots.h.
#include "fuse_frontend/kernel/slots.h"

namespace copper {
namespace {

void set(segment::RequestSlot& slot, segment::SlotState state) {
  slot.state.store(static_cast<std::uint32_t>(state), std::memory_order_release);
}

}  // namespace

Slots::Slots(std::span<segment::RequestSlot> share) : share_(share) {
  for (std::size_t slot = share.size(); slot-- > 0;) free_.push_back(slot);
}

std::optional<std::size_t> Slots::take() {
  if (free_.empty()) return std::nullopt;
  const auto slot = free_.back();
  free_.pop_back();
  set(share_[slot], segment::SlotState::reading);
  return slot;
}

void Slots::occupied(std::size_t slot, std::size_t bytes) {
  share_[slot].bytes = static_cast<std::uint32_t>(bytes);
  set(share_[slot], segment::SlotState::occupied);
}

void Slots::answered(std::size_t slot) { set(share_[slot], segment::SlotState::free); }

void Slots::give_back(std::size_t slot) {
  answered(slot);
  free_.push_back(slot);
}

}  // namespace copper
