// Blocks of an arena, for targets whose arena is not to be believed. In the input a block is
// {what, path length, data length, kind, path, data}, the bits of `what` saying what of it is wrong.
#pragma once

#include "service/segment/block.h"
#include "test/fuzz/fuzz_segment.h"

namespace copper {

enum Wrong : std::uint8_t {
  data_tag = 1,
  description_tag = 2,
  span = 4,
  magic = 8,
  leased = 16,
  filling = 32,
  length = 64
};

// Written at `offset`; where the next one begins, or `offset` where it has no room.
inline std::size_t write_block(std::span<std::byte> arena, std::size_t offset, FuzzInput& input) {
  using segment::BlockState;
  const auto wrong = input.byte();
  const std::size_t path_bytes = input.byte();
  const std::size_t data_bytes = input.take<std::uint16_t>() % 4096;
  const auto span = span_of(path_bytes, data_bytes);
  if (offset + span > arena.size()) return offset;
  auto& head = *reinterpret_cast<segment::BlockHeader*>(arena.data() + offset);
  head.magic = wrong & magic ? input.take<std::uint32_t>() : segment::block_magic;
  head.span = wrong & Wrong::span ? input.take<std::uint64_t>() : span;
  head.state = static_cast<std::uint32_t>(wrong & filling ? BlockState::filling : BlockState::ready);
  head.leases = wrong & leased ? input.take<std::uint32_t>() : 0;
  head.lease_generation = wrong & leased ? input.byte() : 0;
  head.bytes = data_bytes;
  head.path_bytes = static_cast<std::uint16_t>(path_bytes);
  head.key_kind = input.byte() % 6;
  if (head.key_kind == 3) head.version.size = 1 << 20;
  const auto path = input.bytes(path_bytes);
  std::memcpy(arena.data() + offset + sizeof head, path.data(), path.size());
  const auto place = arena.subspan(offset + segment::data_offset(path_bytes), data_bytes);
  const auto data = input.bytes(data_bytes);
  std::memcpy(place.data(), data.data(), data.size());
  head.tag = wrong & data_tag ? input.take<std::uint64_t>() : tag_of(place);
  if (wrong & length) head.bytes = input.take<std::uint64_t>();
  if (wrong & length) head.path_bytes = input.take<std::uint16_t>() % 8192;
  if (!(wrong & description_tag) && offset + segment::data_offset(head.path_bytes) <= arena.size())
    tag_description(head);
  return offset + span;
}

}  // namespace copper
