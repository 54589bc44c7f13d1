// The node's cache memory: an allocator over the segment's arena region that leaves every block
// self-describing. Private to the rank's one thread; what other processes see are the block headers
// (service/segment/layout.h).
//
// Best fit with immediate merging; the index of blocks is private and rebuilt by walking the chain. Memory is
// committed in steps before use, so a full tmpfs is an answer (no room), not a SIGBUS; pages are never
// unmapped.
//
// Invariants: block spans, headers counted, add up to what is committed, and that never exceeds the region;
// no two free blocks are neighbours; a block is free exactly when nothing refers to it and no lease is on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "service/segment/segment.h"
#include "tree/bytes.h"
#include "tree/key.h"

namespace copper {

class Arena final : public Memory {
 public:
  // Takes over what a former rank left: its blocks stay occupied until scan(). Where the chain of blocks is
  // damaged, nothing from there on is believed, nor touched while the worker lives that may have leases
  // there. The segment's mapping must outlive the Arena and all Bytes that came from it.
  explicit Arena(Segment& segment);
  ~Arena() override;

  // Memory: a Bytes frees its block with the last reference, unless the block is leased; then with the last
  // release.
  std::optional<Buffer> allocate(const Key& key, std::size_t size) override;
  Bytes seal(Buffer buffer, Tag tag) override;

  // Once, before anything else: hands out every intact block of a key that a former rank left, and frees the
  // rest: unfinished, damaged or key-less ones (those that a lease is on: when it ends). Returns how many are
  // damaged: their header or their data are not what their checksums say.
  std::size_t scan(const std::function<void(Key, Bytes, Tag)>& found);

  // For bytes of no key (a control answer, a notice's path).
  std::optional<Bytes> copy(std::string_view text);

  // Offset of the block whose data `bytes` are, for a completion record; nothing where they are not in the
  // arena.
  std::optional<std::uint64_t> block_of(const Bytes& bytes) const;
  // One more lease of a worker on a block; leases of its predecessors end with that.
  void lease(std::uint64_t block, std::uint32_t worker_generation);
  bool leased(const Bytes& bytes) const;
  bool release(std::uint64_t block);                 // false: no such lease (damaged record)
  void end_leases(std::uint32_t worker_generation);  // of every generation but this one

  std::size_t budget() const;     // the region's bytes
  std::size_t used() const;       // spans that are not free
  std::size_t committed() const;  // backed with memory

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // shared with the deleters of Bytes, which may outlive the Arena
};

}  // namespace copper
