// What the rank has ready, found in shared memory without asking it, and there too when it is dead: the
// segment's index says where it lies. Bytes are copied out, and what changed meanwhile is as good as not
// there. What is not what the checksum says, since a rank has scribbled over it, perhaps as it died, is
// counted, and nothing that the rank could give.
//
// Any thread. Nothing of what the rank wrote is believed unchecked.
#pragma once

#include <cstddef>
#include <optional>

#include "service/segment/segment.h"
#include "tree/key.h"
#include "tree/outcome.h"

namespace copper {

// What the rank (or storage, directly) said. `unchanged`: the bytes are those whose tag was named; none came.
struct Answered {
  Result<Bytes> value = Errno{EIO};
  bool unchanged = false;
  Tag tag = 0;
  Instant fresh_until{};
};

class RankCache {
 public:
  explicit RankCache(const Segment& segment) : segment_(segment), index_(segment.index()) {}

  // Nothing where it is not there, not fresh, or longer than `bytes_max`; EIO where it is damaged. `have`:
  // the tag of bytes held already.
  std::optional<Answered> find(const Key& key, Tag have, Instant now, std::size_t bytes_max) const;

 private:
  const Segment& segment_;
  SharedIndex index_;
};

}  // namespace copper
