// Files that are larger than -M: no rank caches them; each node reads them from storage through one kept
// descriptor, by threads of its own, which read ahead where a file is read from front to back.
//
// What is read in order is read in whole blocks, held until they give way to others (least recently used
// first, held_blocks of them); so the small requests of a kernel that may not read ahead far become large
// ones. Anything else is read as it is asked for, and so is a file that has just changed: its version may be
// of two contents. Bytes are of the version asked for, verified before and after each read.
//
// Any thread calls, and nothing here blocks. Lives as long as the worker.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "service/segment/layout.h"
#include "service/storage/file_reader.h"
#include "service/storage/reader_pool.h"
#include "tree/bytes.h"
#include "tree/key.h"
#include "tree/result.h"

namespace copper {

// Bytes [begin, end) of a block.
struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
};

class LargeFiles {
 public:
  explicit LargeFiles(segment::Header& header) : header_(header) {}
  LargeFiles(const LargeFiles&) = delete;

  // Whether a file of this size is one.
  bool holds(std::uint64_t file_bytes) const {
    return file_bytes > header_.max_cacheable_bytes.load(std::memory_order_relaxed);
  }

  // A range of the key's block, not empty and within the file: exactly these bytes, where they are held; else
  // `done` is called once with them, or with storage's error, by any thread, perhaps before this returns.
  using Done = std::function<void(Result<Bytes>)>;
  std::optional<Bytes> read(const Key& key, Range range, const Done& done);

 private:
  static constexpr std::size_t threads = 8;
  static constexpr std::size_t descriptors_kept = 64;
  static constexpr std::size_t held_blocks = 32;
  static constexpr std::uint32_t blocks_ahead = 4;
  static constexpr std::size_t files_watched = 256;
  static constexpr std::size_t runs_watched = 8;  // of one file: so many may read it in order at a time
  static constexpr std::uint64_t run_bytes = std::uint64_t{128} << 10;  // from here on it is one,
  static constexpr std::uint64_t long_run_bytes = 4 * run_bytes;        // and goes on

  struct Waiter {
    Range range;
    Done done;
  };
  struct Held {
    Key key;
    std::optional<Bytes> bytes;   // nothing while it is being read
    std::vector<Waiter> waiters;  // only then
    bool used = false;            // not only read ahead
  };
  struct Run {  // requests that go on where others ended
    std::uint64_t begin = 0;
    std::uint64_t end = 0;  // 0: none
  };
  struct File {
    Key key;
    std::array<Run, runs_watched> runs{};
    std::size_t next_run = 0;
  };
  struct Order {  // of a request among those before it: how to read
    bool whole = false;
    bool ahead = false;
  };
  using HeldAt = std::list<Held>::iterator;

  Order order(const Key& key, Range range);
  HeldAt hold(const Key& key, bool used);
  bool make_room(bool for_request);
  void read_ahead(const Key& key, std::vector<Key>& to_load);
  void load(const Key& key);
  Result<Bytes> read_now(const Key& key, Range range);
  void settle(const Key& key, const Result<Bytes>& bytes);

  segment::Header& header_;
  MountTable mounts_;
  EntryReader entries_{mounts_};
  FileReader files_{entries_, descriptors_kept};
  ReaderPool pool_{threads};

  std::mutex mutex_;      // guards all below
  std::list<Held> held_;  // most recently used first
  std::unordered_map<Key, HeldAt, KeyHash> index_;
  std::list<File> watched_;  // likewise
};

}  // namespace copper
