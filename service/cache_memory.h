// The arena, behind the one rule of who gives way: where it has no room, outcomes of the node go (store.h
// says which first) until it has, or until none is left whose bytes nobody is using. One thread.
#pragma once

#include "service/arena.h"
#include "tree/node/node.h"

namespace copper {

class CacheMemory final : public Memory {
 public:
  CacheMemory(Arena& arena, Node& node) : arena_(arena), node_(node) {}

  std::optional<Buffer> allocate(const Key& key, std::size_t size) override {
    auto buffer = arena_.allocate(key, size);
    const auto frees = [this](const Bytes& bytes) {
      return bytes.owner().use_count() == 1 && !arena_.leased(bytes);
    };
    // Neighbours of what was dropped may be in use, so that room enough in sum may not be room in one piece.
    while (!buffer && node_.make_room(size, frees) > 0) buffer = arena_.allocate(key, size);
    return buffer;
  }
  Bytes seal(Buffer buffer, Tag tag) override { return arena_.seal(std::move(buffer), tag); }

 private:
  Arena& arena_;
  Node& node_;
};

}  // namespace copper
