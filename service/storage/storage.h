// The file system of truth, read with POSIX calls by a pool of threads. Used by the root of a tree, and by
// the front end when it must read directly. load() and loaded() are called by one thread; neither blocks.
//
//   listing     opendir + readdir, then statx by several threads up to attributes_ride_along names; with
//   previous bytes first one statx of the directory: same attributes and not racy ->
//               unchanged. A block n > 0 of an edition that is no more: ESTALE
//   entry       statx (AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT), readlink
//   block       open (kept, LRU), fstat, pread, fstat: both times the key's version, else ESTALE. A file
//   renamed
//               over or deleted is served in its old version as long as its descriptor is kept
//   filesystem  statvfs
//
// Whatever comes out with the same tag as the previous bytes is "unchanged". Errors are storage's own;
// besides: ENOTDIR below a local tree, ELOOP at and below the job's own mounts, EINVAL for a block that its
// file has not, ENOBUFS where `memory` has no room for a block for room_patience (at once, where the one
// before has waited in vain), or for anything else at once.
//
// Freshness given: listing, entry, filesystem, ENOENT, ENOTDIR: `freshness`, and where they are racy at most
// limits::racy_window; blocks and listing blocks n > 0: for the job, except of a file that changed within
// limits::racy_window: that long. Other errors: none.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>

#include "service/storage/source.h"
#include "tree/ports.h"
#include "tree/profile/latencies.h"

namespace copper {

inline constexpr std::chrono::milliseconds room_patience{1000};

class PosixStorage final : public Storage {
 public:
  // `memory` holds the bytes and is used inside load() and loaded() only; `wake` is called after loaded() has
  // become true, by any thread (load() and loaded() themselves too), and never after the destructor. Nobody
  // is woken for a load that waits for room: loaded() looks whether there is some.
  PosixStorage(StorageOptions options, Memory& memory, std::function<void()> wake);
  // Does not wait for a reader that storage holds; the Buffer that such a one may still write into is never
  // freed.
  ~PosixStorage() override;

  void load(Load load) override;
  std::optional<Loaded> loaded() override;

  // How long storage took over what it was asked, by kind: the time of a reader, without the line for one.
  const std::array<Latencies, kind_count>& latencies() const { return latencies_; }

 private:
  enum class Number : std::uint64_t {};
  // Stays with the caller's thread: memory is given back there. The reader has views of it.
  struct UnderWay {
    Key key;
    std::optional<Bytes> previous;
    Buffer room;
  };
  struct Answer {
    Number number{};
    Found found;
    std::optional<Duration> took{};  // nothing: storage was not asked
  };
  struct Shared;
  // A block that found no room: others are in use, and let go of theirs.
  struct Waiting {
    Load load;
    std::chrono::steady_clock::time_point until;
  };

  void begin(Load load, Buffer room, std::optional<Found> answer);  // `answer`: known without a look
  void begin_waiting();
  Result<Bytes> place(const Key& key, std::span<const std::byte> bytes, Tag tag);

  Memory& memory_;
  std::shared_ptr<Shared> shared_;
  std::unordered_map<Number, UnderWay> under_way_;
  std::deque<Waiting> waiting_;  // for room, in order
  bool waited_in_vain_ = false;  // who waited last: until there is room again nobody waits
  Number last_{};
  std::array<Latencies, kind_count> latencies_{};
};

}  // namespace copper
