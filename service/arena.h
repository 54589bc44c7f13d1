// The node's cache memory: an allocator over the segment's arena region that leaves every block self-describing.
// Private to the rank's one thread; what other processes see are the block headers (service/segment_layout.h).
//
// Best fit with immediate merging; the index of free blocks is private and rebuilt by walking the chain. Memory is
// committed in steps before use, so a full tmpfs is an answer (no room), not a SIGBUS; pages are never unmapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "service/segment.h"
#include "tree/bytes.h"
#include "tree/key.h"

namespace copper {

class Arena final : public Memory {
 public:
  explicit Arena(Segment& segment);
  ~Arena() override;

  // Memory: a Bytes frees its block with the last reference, unless the block is leased; then with the last release.
  std::optional<Buffer> allocate(const Key& key, std::size_t size) override;
  Bytes seal(Buffer buffer, Tag tag) override;

  // For bytes of no key (a control answer, a notice's path).
  std::optional<Bytes> copy(std::string_view text);

  // Offset of the block that holds `bytes`, for a completion record; nothing where they are not in the arena.
  std::optional<std::uint64_t> block_of(const Bytes& bytes) const;
  void lease(std::uint64_t block, std::uint32_t worker_generation);
  bool release(std::uint64_t block);                  // false: no such lease (damaged record)
  void end_leases(std::uint32_t worker_generation);   // of every generation before this one

  std::size_t budget() const;
  std::size_t used() const;       // spans that are not free
  std::size_t committed() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // shared with the deleters of Bytes, which may outlive the Arena
};

}  // namespace copper
