// The front end's counters and times, in the segment's header, where the rank reads them for `copper stats`
// and profiles. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "service/segment/layout.h"

namespace copper {

inline void count(segment::Header& header, segment::FuseCounter counter, std::uint64_t n = 1) {
  header.fuse_counters[static_cast<std::size_t>(counter)].fetch_add(n, std::memory_order_relaxed);
}

inline void time(segment::SharedLatencies& latencies, std::uint64_t us, std::uint64_t bytes, bool failed) {
  constexpr auto relaxed = std::memory_order_relaxed;
  latencies.took[Latencies::bucket_of(us)].fetch_add(1, relaxed);
  latencies.total_us.fetch_add(us, relaxed);
  if (bytes > 0) latencies.bytes.fetch_add(bytes, relaxed);
  if (failed) latencies.errors.fetch_add(1, relaxed);
  auto longest = latencies.max_us.load(relaxed);
  while (longest < us && !latencies.max_us.compare_exchange_weak(longest, us, relaxed)) {
  }
}

}  // namespace copper
