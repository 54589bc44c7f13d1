// Blocks of files that have been read in part: whoever reads on finds them without asking the rank. A kernel
// that may not read ahead far asks for a block in eight pieces. The bytes lie in the arena, leased.
//
// Few: the least recently used go, and a block goes when all of it has been read. Any thread; one mutex,
// never held over a call out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>

#include "tree/bytes.h"
#include "tree/key.h"
#include "tree/outcome.h"

namespace copper {

class HeldBlocks {
 public:
  explicit HeldBlocks(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // A block as answered: good until then.
  struct Held {
    Bytes bytes;
    Instant fresh_until{};
  };
  std::optional<Held> find(const Key& key, Instant now);  // nothing where it is not held, or no longer good
  // So many bytes of a block were read: from now on it is held; once as many have been as it has, no longer.
  void read(const Key& key, const Held& block, std::size_t bytes);
  void clear();  // nothing is held any more

 private:
  struct Item {
    Key key;
    Held held;
    std::size_t read = 0;
  };
  std::list<Item>::iterator position(const Key& key);
  void drop(std::list<Item>::iterator item, std::list<Item>& dropped);

  const std::size_t bytes_max_;
  std::mutex mutex_;       // guards all below
  std::list<Item> items_;  // most recently used first; few
  std::size_t bytes_ = 0;
};

}  // namespace copper
