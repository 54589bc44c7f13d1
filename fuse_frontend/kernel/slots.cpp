// See slots.h.
#include "fuse_frontend/kernel/slots.h"

#include <linux/fuse.h>

#include <algorithm>
#include <cstring>

#include "fuse_frontend/clock.h"

namespace copper {
namespace {

void set(segment::RequestSlot& slot, segment::SlotState state) {
  slot.state.store(static_cast<std::uint32_t>(state), std::memory_order_release);
}

bool taken(const segment::RequestSlot& slot) {
  return slot.state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(segment::SlotState::taken);
}

fuse_in_header header_of(std::span<const std::byte> request) {
  fuse_in_header header;
  std::memcpy(&header, request.data(), sizeof header);
  return header;
}

}  // namespace

Slots::Slots(std::span<segment::RequestSlot> share) : share_(share) {
  for (std::size_t slot = share.size(); slot-- > 0;) {
    if (taken(share[slot]) && !request(slot).empty()) {
      inherited_.push_back(slot);
    } else {
      give_back(slot);
    }
  }
  std::ranges::sort(inherited_, {}, [this](std::size_t slot) { return header_of(request(slot)).unique; });
}

// Every page of it is touched: where one was not there, and the worker was killed just then, the kernel would
// fail the request instead of waiting for the page.
std::optional<std::size_t> Slots::take() {
  if (free_.empty()) return std::nullopt;
  const auto slot = free_.back();
  free_.pop_back();
  auto& place = share_[slot];
  for (std::size_t at = 0; at < place.request.size(); at += segment::page_bytes)
    place.request[at] = std::byte{0};
  place.request.back() = std::byte{0};
  std::memset(place.request.data(), 0, sizeof(fuse_in_header));
  place.deaths.store(0, std::memory_order_relaxed);
  place.begun.store(0, std::memory_order_relaxed);
  place.read_ms.store(
      static_cast<std::uint32_t>(clock_now().time_since_epoch() / std::chrono::milliseconds{1}),
      std::memory_order_relaxed);
  set(place, segment::SlotState::taken);
  return slot;
}

std::span<std::byte> Slots::request(std::size_t slot) {
  const std::span<std::byte> room = share_[slot].request;
  const auto bytes = header_of(room).len;
  return bytes >= sizeof(fuse_in_header) && bytes <= room.size() ? room.first(bytes) : room.first(0);
}

void Slots::each_once(std::size_t slot, std::size_t count, const std::function<void(std::size_t)>& step) {
  auto& begun = share_[slot].begun;
  for (auto n = begun.load(std::memory_order_relaxed); n < count; ++n) {
    begun.store(n + 1, std::memory_order_release);
    step(n);
  }
}

void Slots::answered(std::size_t slot) { set(share_[slot], segment::SlotState::free); }

void Slots::give_back(std::size_t slot) {
  answered(slot);
  free_.push_back(slot);
}

}  // namespace copper
