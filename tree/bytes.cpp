#include "tree/bytes.h"

#include <xxhash.h>

#include <algorithm>

namespace copper {

Tag tag_of(std::span<const std::byte> bytes) {
  const Tag tag = XXH3_64bits(bytes.data(), bytes.size());
  return tag != 0 ? tag : 1;  // zero is taken: "none"
}

Bytes Bytes::copy_of(std::span<const std::byte> bytes) {
  const std::shared_ptr<std::byte[]> data(new std::byte[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), data.get());
  return {std::shared_ptr<const std::byte>(data, data.get()), bytes.size()};
}

Bytes Bytes::copy_of(std::string_view text) { return copy_of(std::as_bytes(std::span(text))); }

std::optional<Buffer> HeapMemory::allocate(const Key&, std::size_t size) {
  const std::shared_ptr<std::byte[]> data(new std::byte[size]);
  return Buffer(std::shared_ptr<std::byte>(data, data.get()), size);
}

Bytes HeapMemory::seal(Buffer buffer, Tag) { return {buffer.owner(), buffer.size()}; }

}  // namespace copper
