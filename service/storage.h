// The file system of truth, read with POSIX calls by a pool of threads. Used by the root of a tree, and by the front
// end when it must read directly. load() and loaded() are called by one thread; neither blocks.
//
//   listing     opendir + readdir, then statx by several threads up to limits::attributes_ride_along_entries names;
//               with previous bytes first one statx of the directory: same attributes and not racy -> unchanged
//   entry       statx (AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT), readlink
//   block       open (kept, LRU), fstat, pread, fstat: both times the key's version, else ESTALE. A file renamed over
//               or deleted is served in its old version as long as its descriptor is kept
//   filesystem  statvfs
//
// Freshness given: listing, entry, filesystem, ENOENT, ENOTDIR: `freshness`; blocks and listing blocks n > 0: for the
// job, except of a file that changed within limits::racy_window: that long.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "service/listing.h"
#include "tree/ports.h"

namespace copper {

struct StorageOptions {
  std::chrono::milliseconds freshness{2000};      // -E
  std::vector<std::string> local{"/proc", "/sys", "/dev", "/run"};  // shown as symbolic links to themselves
  std::vector<std::string> mounts;                // the job's own mount points: ELOOP, never touched
  std::size_t threads = 16;                       // started as needed
  std::size_t descriptors_kept = 256;
};

class PosixStorage final : public Storage {
 public:
  // `memory` holds the bytes and is used inside load() and loaded() only; `wake` is called by a reader thread after
  // it made loaded() true, and must be safe to call from any thread.
  PosixStorage(StorageOptions options, Memory& memory, std::function<void()> wake);
  ~PosixStorage() override;  // does not wait for a reader that storage holds

  void load(Load load) override;
  std::optional<Loaded> loaded() override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace copper
