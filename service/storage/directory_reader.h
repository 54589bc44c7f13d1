// Sweeps of directories: all names, and up to `ride_along` of them what each one is,
// asked by several threads of the pool. Blocks as long as storage does; called on the pool's threads.
#pragma once

#include <cstddef>
#include <string>

#include "service/storage/entry_reader.h"
#include "service/storage/reader_pool.h"
#include "service/storage/source_tree.h"

namespace copper {

class DirectoryReader {
 public:
  // Names in one directory; more: EOVERFLOW.
  static constexpr std::size_t names_max = std::size_t{1} << 24;

  DirectoryReader(const SourceTree& tree, const EntryReader& entries, MountTable& mounts, ReaderPool& pool,
                  std::size_t ride_along)
      : tree_(tree), entries_(entries), mounts_(mounts), pool_(pool), ride_along_(ride_along) {}

  // Of a shared path. ENOTDIR where it is none (a symbolic link is not followed). The job's own mounts are
  // listed as directories, untouched; local trees as links. A name that cannot be read has no entry: it is
  // asked singly.
  Result<Sweep> sweep(const std::string& path);

 private:
  const SourceTree& tree_;
  const EntryReader& entries_;
  MountTable& mounts_;
  ReaderPool& pool_;
  std::size_t ride_along_;
};

}  // namespace copper
