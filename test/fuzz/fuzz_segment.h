// A segment, and somebody attached to it, for targets that need one in each run: made once, its files gone at
// once, so that a crash leaves nothing behind.
#pragma once

#include <cstring>

#include "service/segment/segment.h"
#include "test/fuzz/fuzz.h"
#include "test/service/scratch.h"

namespace copper {

inline constexpr std::size_t fuzz_arena_bytes = 256 << 10;

inline Segment& fuzz_segment() {
  static Segment segment = [] {
    const Scratch scratch;
    auto made = Segment::own({.stem = scratch / "node", .lanes = 1, .arena_bytes = fuzz_arena_bytes},
                             std::chrono::milliseconds(0));
    must(made.commit_arena(fuzz_arena_bytes), "there is shared memory for an arena");
    static const auto front_end = Segment::attach(scratch / "node", std::chrono::milliseconds(0));
    return made;
  }();
  return segment;
}

inline std::span<segment::IndexBucket> index_of(Segment& segment) {
  static const auto region = segment.header().index_region;
  auto* first = reinterpret_cast<std::byte*>(&segment.header()) + region.offset;
  return {reinterpret_cast<segment::IndexBucket*>(first), region.bytes / sizeof(segment::IndexBucket)};
}

// As just made, for the next run. `used`: so much of the arena has been written to.
inline void renew(Segment& segment, std::size_t used = fuzz_arena_bytes) {
  auto& header = segment.header();
  std::memset(segment.arena().data(), 0, used);
  std::memset(static_cast<void*>(&segment.lane(0)), 0, sizeof(segment::Lane));
  std::memset(static_cast<void*>(index_of(segment).data()), 0, index_of(segment).size_bytes());
  header.arena_bytes_committed = fuzz_arena_bytes;
  header.worker_generation = 1;
  header.service_generation = 1;
  header.service_alive_ns = 0;
  header.mount_state = static_cast<std::uint32_t>(segment::MountState::mounted);
  header.freshness_ms = 0;
}

// A target's body: a rig at such a segment, with the blocks that it takes from the input first, if it wants
// any, takes its steps, each by a byte and what it wants of the rest, to its end.
template <class Rig>
int fuzz_steps(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  auto& segment = fuzz_segment();
  renew(segment);
  Rig rig(segment);
  if constexpr (requires { rig.blocks(input); }) rig.blocks(input);
  for (int step = 0; step < 200 && !input.empty(); ++step) rig.step(input.byte(), input);
  rig.end();
  return 0;
}

}  // namespace copper
