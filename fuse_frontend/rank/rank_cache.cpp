// See rank_cache.h.
#include "fuse_frontend/rank/rank_cache.h"

#include "fuse_frontend/count.h"
#include "fuse_frontend/rank/arena_block.h"
#include "service/segment/block.h"

namespace copper {

std::optional<Answered> RankCache::find(const Key& key, Tag have, Instant now, std::size_t bytes_max) const {
  const auto seen = index_.find(KeyHash{}(key));
  if (!seen) return std::nullopt;
  Answered found{.fresh_until = Instant{Duration{seen->fresh_until_ns}}};
  if (now >= found.fresh_until) return std::nullopt;
  const auto block = arena_block(segment_, seen->block);
  const auto said = block ? description_of(*block) : std::nullopt;
  if (!said || said->key != key) return std::nullopt;
  found.tag = said->tag;
  found.unchanged = have != 0 && have == found.tag;
  if (!found.unchanged && said->bytes > bytes_max) return std::nullopt;
  found.value = found.unchanged ? Bytes() : Bytes::copy_of(block->subspan(said->data, said->bytes));
  if (!SharedIndex::unchanged(*seen)) return std::nullopt;
  if (!found.unchanged && tag_of(found.value->span()) != found.tag) {
    count(segment_.header(), segment::FuseCounter::fuse_damaged);
    found.value = Errno{EIO};
  }
  return found;
}

}  // namespace copper
