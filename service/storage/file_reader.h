// Blocks of files, each of one version: what was asked for, or ESTALE. The descriptors of files of several
// blocks are kept (LRU), so that one renamed over or deleted is still served in its old version. Blocks as
// long as storage does; any thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <future>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

#include "service/segment/file_descriptor.h"
#include "service/storage/entry_reader.h"
#include "tree/key.h"

namespace copper {

class FileReader {
 public:
  FileReader(const EntryReader& entries, std::size_t descriptors_kept)
      : entries_(entries), descriptors_kept_(descriptors_kept) {}

  // How long the block of the key is; nothing where the version has no such block.
  static std::optional<std::size_t> block_size(const Key& key);

  // Reads the key's block into `room`, which is as long as the block. The error, or nothing: all of it is
  // there. EINVAL: no regular file (such a one is never opened for reading).
  std::optional<Errno> read(const Key& key, std::span<std::byte> room) { return read(key, 0, room); }
  // Likewise a part of the block, from `offset` in it on.
  std::optional<Errno> read(const Key& key, std::size_t offset, std::span<std::byte> room);

 private:
  struct OpenFile {
    FileDescriptor fd;
    std::uint32_t nlink = 0;  // when it was opened
  };
  using Open = std::shared_ptr<const OpenFile>;

  Result<Open> open(const Key& file);
  Result<Open> open_now(const Key& file);
  Open kept(const Key& file);
  void keep(const Key& file, const Open& open);
  void drop(const Key& file);
  std::optional<Errno> verify(const OpenFile& open, const Version& version) const;

  const EntryReader& entries_;
  const std::size_t descriptors_kept_;
  std::mutex mutex_;  // guards what follows
  using Kept = std::list<std::pair<Key, Open>>;
  Kept kept_;  // most recently used first
  std::unordered_map<Key, Kept::iterator, KeyHash> index_;
  std::unordered_map<Key, std::shared_future<Result<Open>>, KeyHash> opening_;
};

}  // namespace copper
