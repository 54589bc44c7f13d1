// The arena, behind the one rule of who gives way: where it has no room, the node's least recently used
// outcomes go until it has, or until none is left. One thread.
#pragma once

#include "service/arena.h"
#include "tree/node.h"

namespace copper {

class CacheMemory final : public Memory {
 public:
  CacheMemory(Arena& arena, Node& node) : arena_(arena), node_(node) {}

  std::optional<Buffer> allocate(const Key& key, std::size_t size) override {
    auto buffer = arena_.allocate(key, size);
    // Neighbours of what was dropped may be in use, so that room enough in sum may not be room in one piece.
    while (!buffer && node_.make_room(size) > 0) buffer = arena_.allocate(key, size);
    return buffer;
  }
  Bytes seal(Buffer buffer, Tag tag) override { return arena_.seal(std::move(buffer), tag); }

 private:
  Arena& arena_;
  Node& node_;
};

}  // namespace copper
