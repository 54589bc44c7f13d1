// Arenas in segments of a test's own: blocks put into them, and their chain walked from outside.
#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

#include "service/arena.h"
#include "test/service/scratch.h"

namespace copper {

inline constexpr std::size_t arena_bytes = std::size_t{1} << 20;

inline Segment make_segment(const Scratch& scratch, std::string_view name, std::size_t bytes = arena_bytes) {
  return Segment::own({.stem = scratch / name, .lanes = 1, .arena_bytes = bytes},
                      std::chrono::milliseconds(0));
}

inline std::string text_of(std::uint64_t seed, std::size_t size) {
  std::mt19937_64 random(seed);
  std::string text(size, ' ');
  for (auto& c : text) c = static_cast<char>(random());
  return text;
}

inline Bytes put(Arena& arena, const Key& key, std::string_view text) {
  auto buffer = arena.allocate(key, text.size());
  REQUIRE(buffer);
  if (!text.empty()) std::memcpy(buffer->data(), text.data(), text.size());
  const Tag tag = tag_of(buffer->span());
  return arena.seal(std::move(*buffer), tag);
}

// Walks the chain from outside: it must cover what is committed without a gap. Returns the bytes not free.
inline std::size_t walk(const Segment& segment) {
  const auto region = segment.arena();
  const std::size_t committed = segment.header().arena_bytes_committed.load();
  std::size_t used = 0;
  bool free_before = false;
  for (std::size_t offset = 0; offset < committed;) {
    const auto& head = *reinterpret_cast<const segment::BlockHeader*>(region.data() + offset);
    REQUIRE(head.magic == segment::block_magic);
    const std::size_t span = head.span.load();
    REQUIRE(span % segment::block_alignment == 0);
    REQUIRE(span >= segment::data_offset(0));
    REQUIRE(offset + span <= committed);
    const bool free = head.state.load() == static_cast<std::uint32_t>(segment::BlockState::free);
    REQUIRE(!(free && free_before));
    free_before = free;
    if (!free) used += span;
    offset += span;
  }
  return used;
}

}  // namespace copper
