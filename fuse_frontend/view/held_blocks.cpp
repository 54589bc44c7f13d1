// See held_blocks.h. Blocks that are let go are destroyed after the mutex: ending a lease is a call out.
#include "fuse_frontend/view/held_blocks.h"

#include <algorithm>

namespace copper {

std::list<HeldBlocks::Item>::iterator HeldBlocks::position(const Key& key) {
  return std::ranges::find(items_, key, &Item::key);
}

void HeldBlocks::drop(std::list<Item>::iterator item, std::list<Item>& dropped) {
  bytes_ -= item->held.bytes.size();
  dropped.splice(dropped.begin(), items_, item);
}

std::optional<HeldBlocks::Held> HeldBlocks::find(const Key& key, Instant now) {
  std::list<Item> dropped;
  const std::lock_guard lock(mutex_);
  const auto at = position(key);
  if (at == items_.end()) return std::nullopt;
  if (now >= at->held.fresh_until) {
    drop(at, dropped);
    return std::nullopt;
  }
  items_.splice(items_.begin(), items_, at);
  return at->held;
}

void HeldBlocks::read(const Key& key, const Held& block, std::size_t bytes) {
  std::list<Item> dropped;
  const std::lock_guard lock(mutex_);
  auto at = position(key);
  if (at == items_.end()) {
    if (bytes == block.bytes.size()) return;
    items_.push_front({key, block, 0});
    at = items_.begin();
    bytes_ += block.bytes.size();
  }
  at->read += bytes;
  if (at->read >= block.bytes.size()) drop(at, dropped);
  while (bytes_ > bytes_max_) drop(std::prev(items_.end()), dropped);
}

void HeldBlocks::clear() {
  std::list<Item> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(items_);
  bytes_ = 0;
}

}  // namespace copper
