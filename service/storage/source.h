// What the source says to one key, by blocking POSIX calls: the synchronous half of the storage reader. Any
// thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "service/storage/directory_reader.h"
#include "service/storage/editions.h"
#include "service/storage/entry_reader.h"
#include "service/storage/file_reader.h"
#include "service/storage/mount_table.h"
#include "service/storage/reader_pool.h"
#include "service/storage/source_tree.h"
#include "tree/key.h"
#include "tree/limits.h"
#include "tree/outcome.h"

namespace copper {

struct StorageOptions {
  std::chrono::milliseconds freshness{2000};  // -E
  LocalTrees local{};                         // shown as symbolic links to themselves
  std::vector<std::string> mounts{};          // the job's own mount points: ELOOP, never touched
  std::size_t threads = 64;                   // started as needed
  std::size_t descriptors_kept = 256;
  // In listings of so many names; 0: nothing is asked of a name, its type neither, where it is not said.
  std::size_t attributes_ride_along = limits::attributes_ride_along_entries;
};

// The bytes are empty where they are unchanged, and for a block, whose bytes are in the room that was given
// for them.
struct Found {
  bool unchanged = false;
  Result<std::vector<std::byte>> bytes = Errno{EIO};
  Tag tag = 0;
  Duration fresh_for{};
};

class Source {
 public:
  explicit Source(StorageOptions options);

  ReaderPool& pool() { return pool_; }

  // The answer where storage is not to be asked: local trees, the job's own mounts.
  std::optional<Found> known(const Key& key) const;

  // The answer for a shared path. `previous`: bytes that the answer may be equal to. `room`: for a block, as
  // long as it is. On a thread of the pool.
  using View = std::span<const std::byte>;
  Found read(const Key& key, std::optional<View> previous, std::span<std::byte> room);

 private:
  Found listing(const Key& key, std::optional<View> previous);
  Found entry(const Key& key, std::optional<View> previous);
  Found block(const Key& key, std::optional<View> previous, std::span<std::byte> room);
  Found filesystem(const Key& key, std::optional<View> previous);

  Found failed(Errno error) const;
  Found answer(std::vector<std::byte> bytes, std::optional<View> previous, Duration fresh_for) const;
  Duration freshness(bool racy) const;

  const StorageOptions options_;
  SourceTree tree_;
  MountTable mounts_;
  EntryReader entries_;
  Editions editions_;
  FileReader files_;
  ReaderPool pool_;
  DirectoryReader directories_;
};

}  // namespace copper
