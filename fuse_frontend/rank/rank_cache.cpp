// See rank_cache.h.
#include "fuse_frontend/rank/rank_cache.h"

#include <cstring>

#include "fuse_frontend/rank/arena_block.h"

namespace copper {
namespace {

bool holds(const ArenaBlock& block, const Key& key) {
  return block.header->state.load(std::memory_order_acquire) ==
             static_cast<std::uint32_t>(segment::BlockState::ready) &&
         block.header->key_kind == static_cast<std::uint8_t>(key.kind) && block.header->number == key.block &&
         block.header->version == key.version && block.path == key.path.str();
}

}  // namespace

std::optional<Answered> RankCache::find(const Key& key, Tag have, Instant now, std::size_t bytes_max) const {
  const auto seen = index_.find(KeyHash{}(key));
  if (!seen) return std::nullopt;
  Answered found{.fresh_until = Instant{Duration{seen->fresh_until_ns}}};
  if (now >= found.fresh_until) return std::nullopt;
  const auto block = arena_block(segment_, seen->block);
  if (!block || !holds(*block, key)) return std::nullopt;
  const std::uint64_t bytes = block->header->bytes;
  found.tag = block->header->tag;
  found.unchanged = have != 0 && have == found.tag;
  if (!found.unchanged && (bytes > bytes_max || bytes > block->data.size())) return std::nullopt;
  found.value = found.unchanged ? Bytes() : Bytes::copy_of(block->data.first(bytes));
  if (!SharedIndex::unchanged(*seen)) return std::nullopt;
  return found;
}

}  // namespace copper
