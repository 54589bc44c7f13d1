// See shared_index.h.
#include "service/segment/shared_index.h"

#include <atomic>

namespace copper {
namespace {

using segment::IndexSlot;

bool says_something(std::uint64_t sequence) { return sequence % 2 == 0 && sequence != 0; }

bool is_of(const IndexSlot& slot, std::uint64_t hash) {
  return says_something(slot.sequence.load(std::memory_order_relaxed)) &&
         slot.hash.load(std::memory_order_relaxed) == hash;
}

// The store comes before whatever the memory that the slot names is used for next.
void close(IndexSlot& slot) {
  const auto sequence = slot.sequence.load(std::memory_order_relaxed);
  if (!says_something(sequence)) return;
  slot.sequence.store(sequence + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
}

// A closed slot's sequence is odd, or, where it was never used, zero.
void open(IndexSlot& slot, std::uint64_t hash, std::uint64_t block, std::int64_t fresh_until_ns) {
  slot.hash.store(hash, std::memory_order_relaxed);
  slot.block.store(block, std::memory_order_relaxed);
  slot.fresh_until_ns.store(fresh_until_ns, std::memory_order_relaxed);
  const auto sequence = slot.sequence.load(std::memory_order_relaxed);
  slot.sequence.store(sequence + (sequence % 2 == 0 ? 2 : 1), std::memory_order_release);
}

}  // namespace

std::unordered_map<std::uint64_t, SharedIndex::Shown> SharedIndex::shown() const {
  std::unordered_map<std::uint64_t, Shown> shown;
  for (const auto& bucket : buckets_) {
    for (const auto& slot : bucket.slots) {
      if (says_something(slot.sequence.load(std::memory_order_relaxed)))
        shown[slot.hash.load(std::memory_order_relaxed)] = {
            slot.block.load(std::memory_order_relaxed), slot.fresh_until_ns.load(std::memory_order_relaxed)};
    }
  }
  return shown;
}

void SharedIndex::insert(std::uint64_t hash, std::uint64_t block, std::int64_t fresh_until_ns) {
  auto& slots = bucket(hash).slots;
  IndexSlot* room = nullptr;
  for (auto& slot : slots) {
    if (is_of(slot, hash)) {
      if (slot.block.load(std::memory_order_relaxed) == block)
        return slot.fresh_until_ns.store(fresh_until_ns, std::memory_order_relaxed);
      room = &slot;
      break;
    }
    if (room == nullptr && !says_something(slot.sequence.load(std::memory_order_relaxed))) room = &slot;
  }
  if (room == nullptr) room = &slots[hash / buckets_.size() % slots.size()];
  close(*room);
  open(*room, hash, block, fresh_until_ns);
}

void SharedIndex::erase(std::uint64_t hash) {
  for (auto& slot : bucket(hash).slots)
    if (is_of(slot, hash)) close(slot);
}

std::optional<SharedIndex::Seen> SharedIndex::find(std::uint64_t hash) const {
  for (const auto& slot : bucket(hash).slots) {
    const auto sequence = slot.sequence.load(std::memory_order_acquire);
    if (!says_something(sequence) || slot.hash.load(std::memory_order_relaxed) != hash) continue;
    const Seen seen{&slot, sequence, slot.block.load(std::memory_order_relaxed),
                    slot.fresh_until_ns.load(std::memory_order_relaxed)};
    if (unchanged(seen)) return seen;
  }
  return std::nullopt;
}

bool SharedIndex::unchanged(const Seen& seen) {
  std::atomic_thread_fence(std::memory_order_acquire);
  return seen.slot->sequence.load(std::memory_order_relaxed) == seen.sequence;
}

}  // namespace copper
