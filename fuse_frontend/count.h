// The front end's counters, in the segment's header, where the rank reads them for `copper stats`. Any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "service/segment/layout.h"

namespace copper {

inline void count(segment::Header& header, segment::FuseCounter counter, std::uint64_t n = 1) {
  header.fuse_counters[static_cast<std::size_t>(counter)].fetch_add(n, std::memory_order_relaxed);
}

}  // namespace copper
