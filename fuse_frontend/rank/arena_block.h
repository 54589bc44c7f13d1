// A block of the arena as a header says it is, which the rank wrote: it may be anything, and it may change
// while it is looked at. What lies inside of the arena's memory, whatever the header says, is found here.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "service/segment/segment.h"

namespace copper {

struct ArenaBlock {
  const segment::BlockHeader* header;
  std::string_view path;
  std::span<const std::byte> data;  // all that its span has room for
};

// Nothing where at `offset` of the arena region no block can be.
inline std::optional<ArenaBlock> arena_block(const Segment& segment, std::uint64_t offset) {
  const auto arena = segment.arena();
  const auto committed = std::min<std::uint64_t>(
      segment.header().arena_bytes_committed.load(std::memory_order_acquire), arena.size());
  if (offset % segment::block_alignment != 0 || offset > committed ||
      committed - offset < sizeof(segment::BlockHeader)) {
    return std::nullopt;
  }
  const auto* header = reinterpret_cast<const segment::BlockHeader*>(arena.data() + offset);
  const auto span = std::min<std::uint64_t>(header->span.load(std::memory_order_acquire), committed - offset);
  const std::size_t path_bytes = header->path_bytes;
  const auto data = segment::data_offset(path_bytes);
  if (header->magic != segment::block_magic || data > span) return std::nullopt;
  return ArenaBlock{header,
                    {reinterpret_cast<const char*>(header + 1), path_bytes},
                    arena.subspan(offset + data, span - data)};
}

}  // namespace copper
