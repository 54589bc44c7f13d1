// See block.h.
#include "service/segment/block.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "tree/limits.h"

namespace copper {
namespace {

using segment::BlockHeader;

constexpr std::size_t described = offsetof(BlockHeader, bytes);  // from here on, to the path's end
constexpr std::size_t fields_bytes = sizeof(BlockHeader) - described;

template <class T>
T field(std::span<const std::byte> fields, std::size_t offset_in_header) {
  T value;
  std::memcpy(&value, fields.data() + offset_in_header - described, sizeof value);
  return value;
}

}  // namespace

void tag_description(BlockHeader& header) {
  header.reserved = 0;
  const auto* from = reinterpret_cast<const std::byte*>(&header) + described;
  header.description_tag = tag_of({from, fields_bytes + header.path_bytes});
}

std::optional<Description> description_of(std::span<const std::byte> block) {
  if (block.size() < segment::data_offset(0)) return std::nullopt;
  std::array<std::byte, fields_bytes + limits::path_bytes> copy;
  std::memcpy(copy.data(), block.data() + described, fields_bytes);
  const auto path_bytes = field<std::uint16_t>(copy, offsetof(BlockHeader, path_bytes));
  if (path_bytes > limits::path_bytes || segment::data_offset(path_bytes) > block.size()) return std::nullopt;
  std::memcpy(copy.data() + fields_bytes, block.data() + sizeof(BlockHeader), path_bytes);
  const std::span<const std::byte> said(copy.data(), fields_bytes + path_bytes);
  std::uint64_t tag = 0;
  std::memcpy(&tag, block.data() + offsetof(BlockHeader, description_tag), sizeof tag);
  if (tag_of(said) != tag) return std::nullopt;

  Description description{
      .key = {static_cast<Kind>(field<std::uint8_t>(said, offsetof(BlockHeader, key_kind))),
              field<std::uint32_t>(said, offsetof(BlockHeader, number)),
              std::string_view(reinterpret_cast<const char*>(copy.data()) + fields_bytes, path_bytes),
              field<Version>(said, offsetof(BlockHeader, version))},
      .tag = field<std::uint64_t>(said, offsetof(BlockHeader, tag)),
      .bytes = field<std::uint64_t>(said, offsetof(BlockHeader, bytes)),
      .data = segment::data_offset(path_bytes)};
  if (description.bytes > block.size() - description.data) return std::nullopt;
  if (path_bytes > 0 && (!valid(description.key) || description.bytes > limits::block_bytes))
    return std::nullopt;
  return description;
}

std::uint64_t span_of(std::size_t path_bytes, std::uint64_t bytes) {
  return segment::align_up(segment::data_offset(path_bytes) + std::max<std::uint64_t>(bytes, 1),
                           segment::block_alignment);
}

bool spans(std::uint64_t span, const Description& description) {
  const auto needed = span_of(description.key.path.size(), description.bytes);
  return span >= needed && span - needed < segment::data_offset(0);
}

}  // namespace copper
