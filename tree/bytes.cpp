#include "tree/bytes.h"

#include <xxhash.h>
#ifdef COPPER_XXHASH_DISPATCH
#include <xxh_x86dispatch.h>  // the widest vectors that this processor has: XXH3_64bits() is that one from here
#endif

#include <algorithm>

#include "tree/assert.h"

namespace copper {
namespace {

Tag as_tag(XXH64_hash_t hash) { return hash != 0 ? hash : 1; }  // zero is taken: "none"

XXH3_state_t* state_of(const std::shared_ptr<void>& state) { return static_cast<XXH3_state_t*>(state.get()); }

}  // namespace

Tag tag_of(std::span<const std::byte> bytes) { return as_tag(XXH3_64bits(bytes.data(), bytes.size())); }

void Tagger::add(std::span<const std::byte> bytes) {
  if (!state_) {
    state_ = {XXH3_createState(), [](void* state) { XXH3_freeState(static_cast<XXH3_state_t*>(state)); }};
    ensure(state_ != nullptr, "there is memory for a checksum");
    XXH3_64bits_reset(state_of(state_));
  }
  XXH3_64bits_update(state_of(state_), bytes.data(), bytes.size());
}

Tag Tagger::tag() const { return state_ ? as_tag(XXH3_64bits_digest(state_of(state_))) : tag_of({}); }

Bytes Bytes::copy_of(std::span<const std::byte> bytes) {
  const std::shared_ptr<std::byte[]> data(new std::byte[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), data.get());
  return {std::shared_ptr<const std::byte>(data, data.get()), bytes.size()};
}

Bytes Bytes::copy_of(std::string_view text) { return copy_of(std::as_bytes(std::span(text))); }

std::optional<Buffer> HeapMemory::allocate(const Key&, std::size_t size) {
  // Zeros: a payload that is given up half way is passed on to its end.
  const std::shared_ptr<std::byte[]> data(new std::byte[size]());
  return Buffer(std::shared_ptr<std::byte>(data, data.get()), size);
}

Bytes HeapMemory::seal(Buffer buffer, Tag) { return {buffer.owner(), buffer.size()}; }

}  // namespace copper
