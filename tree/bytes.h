// Immutable, shared bytes. Ten waiters hold ten references: no copy, no lock. In production the bytes lie in
// the node's arena and the last reference frees the block there; in tests they lie on the heap. The tree
// never looks inside them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace copper {

struct Key;

// xxh3 (64 bit) of some bytes: the checksum that blocks are verified by, and the tag by which a question says
// "I have this already". Zero: none.
using Tag = std::uint64_t;

Tag tag_of(std::span<const std::byte> bytes);

// The same, of bytes that come piece by piece.
class Tagger {
 public:
  void add(std::span<const std::byte> bytes);
  Tag tag() const;  // of all that was added

 private:
  std::shared_ptr<void> state_;  // null: nothing was added yet
};

class Bytes {
 public:
  Bytes() = default;
  Bytes(std::shared_ptr<const std::byte> data, std::size_t size) : data_(std::move(data)), size_(size) {}

  // A copy on the heap.
  static Bytes copy_of(std::span<const std::byte> bytes);
  static Bytes copy_of(std::string_view text);

  std::span<const std::byte> span() const { return {data_.get(), size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_.get()), size_}; }
  const std::byte* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  const std::shared_ptr<const std::byte>& owner() const { return data_; }

 private:
  std::shared_ptr<const std::byte> data_;
  std::size_t size_ = 0;
};

// Bytes that are still being written, by one owner: the target of a storage read or of a receive.
class Buffer {
 public:
  Buffer() = default;
  Buffer(std::shared_ptr<std::byte> data, std::size_t size) : data_(std::move(data)), size_(size) {}

  std::span<std::byte> span() const { return {data_.get(), size_}; }
  std::byte* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  const std::shared_ptr<std::byte>& owner() const { return data_; }

 private:
  std::shared_ptr<std::byte> data_;
  std::size_t size_ = 0;
};

// A payload that is still arriving, front to back: the first `arrived` bytes are there and final, and whoever
// passes the payload on may send them. Whether all of it is what its tag says is known at the end only. One
// thread: the transport that receives it moves it on.
class Arrival {
 public:
  explicit Arrival(Buffer room) : room_(std::move(room)) {}

  const std::shared_ptr<std::byte>& owner() const { return room_.owner(); }
  const std::byte* data() const { return room_.data(); }
  std::size_t size() const { return room_.size(); }
  std::size_t arrived() const { return arrived_; }
  bool complete() const { return arrived_ == size(); }
  // The rest will not come, or nobody waits for it here: whoever has begun to pass the payload on ends it
  // with anything, and its receivers find that it is not what its tag says.
  void abandon() const { abandoned_ = true; }
  bool abandoned() const { return abandoned_; }
  std::span<std::byte> rest() const { return room_.span().subspan(arrived_); }
  void advance(std::size_t bytes) { arrived_ += bytes; }  // at most size() in all

 private:
  Buffer room_;
  std::size_t arrived_ = 0;
  mutable bool abandoned_ = false;
};

// Where a rank's bytes live. One thread.
class Memory {
 public:
  virtual ~Memory() = default;
  // Room for `size` bytes of `key`, or nothing when there is none. A Buffer that is dropped unsealed is
  // freed.
  virtual std::optional<Buffer> allocate(const Key& key, std::size_t size) = 0;
  // The buffer's bytes are complete and their checksum is `tag`: from here on they do not change.
  virtual Bytes seal(Buffer buffer, Tag tag) = 0;
};

// Heap memory without a bound: tests, simulation, and copies that are not part of the cache.
class HeapMemory final : public Memory {
 public:
  std::optional<Buffer> allocate(const Key& key, std::size_t size) override;
  Bytes seal(Buffer buffer, Tag tag) override;
};

}  // namespace copper
