// What a block of the arena says of itself, believed only after a look: for whoever finds blocks that another
// process has made. The header and the path are covered by a checksum of their own, as the data are by
// theirs: whole bytes under another key would be wrong bytes. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "service/segment/layout.h"
#include "tree/bytes.h"
#include "tree/key.h"

namespace copper {

// Once all that the header and the path say is written.
void tag_description(segment::BlockHeader& header);

struct Description {
  Key key;  // valid, unless the block is of no key: then its path is ""
  Tag tag = 0;
  std::uint64_t bytes = 0;
  std::uint64_t data = 0;  // where they begin, from the header on
};
// The header copied, then checked; the data are not looked at. `block`: from the header on, to its end.
// Nothing where it is damaged: what it says is not what was described, or cannot be.
std::optional<Description> description_of(std::span<const std::byte> block);

// The span of a block with so much in it.
std::uint64_t span_of(std::size_t path_bytes, std::uint64_t bytes);
// Is it what the allocator makes of such a block? What is left of a free block may be too small for another.
bool spans(std::uint64_t span, const Description& description);

}  // namespace copper
