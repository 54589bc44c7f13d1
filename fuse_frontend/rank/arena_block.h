// Where in the arena a block can be, whatever the rank wrote: it may be anything, and it may change while it
// is looked at.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "service/segment/segment.h"

namespace copper {

// From its header on, to its end, all within the arena's memory; nothing where at `offset` of the arena
// region no block begins.
inline std::optional<std::span<const std::byte>> arena_block(const Segment& segment, std::uint64_t offset) {
  const auto arena = segment.arena();
  const auto committed = std::min<std::uint64_t>(
      segment.header().arena_bytes_committed.load(std::memory_order_acquire), arena.size());
  if (offset % segment::block_alignment != 0 || offset > committed ||
      committed - offset < segment::data_offset(0)) {
    return std::nullopt;
  }
  const auto& header = *reinterpret_cast<const segment::BlockHeader*>(arena.data() + offset);
  const auto span = std::min<std::uint64_t>(header.span.load(std::memory_order_acquire), committed - offset);
  if (header.magic != segment::block_magic || span < segment::data_offset(0)) return std::nullopt;
  return arena.subspan(offset, span);
}

}  // namespace copper
