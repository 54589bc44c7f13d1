// The node's segment: the shared file, mapped. copper_service makes it (or takes over the one it finds) and
// owns it; copper_fuse attaches. Doorbells, both ways, are here too.
//
// One thread, except ring_service and ring_lane: any. Files, all 0600 in a directory 0700 of the user:
// `<stem>.segment`, and `<stem>.bell.<lane>`, a FIFO on which the lane's front-end thread polls together with
// /dev/fuse. The rank's own doorbell is a futex in the header.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "service/refusal.h"
#include "service/segment/file_descriptor.h"
#include "service/segment/layout.h"
#include "service/segment/mapping.h"
#include "service/segment/private_files.h"
#include "service/segment/shared_index.h"

namespace copper {

struct SegmentOptions {
  std::filesystem::path stem;  // e.g. /dev/shm/copper-1000/<job>/node0
  std::uint32_t lanes = 2;
  std::size_t arena_bytes = std::size_t{256}
                            << 20;  // the address range reserved; its memory is taken as it is used
};

// What the owner wants of a new segment's arena at once; later steps are as long.
inline constexpr std::size_t arena_step_bytes = std::size_t{16} << 20;

class Segment {
 public:
  // As copper_service. Makes the segment (complete under a temporary name, then renamed), or takes over one
  // of the same layout: asks the former owner to end (SIGTERM, then SIGKILL, by the pid in the header) and
  // waits, at most `patience`, for its OFD lock. Raises service_generation. Throws Refusal: owner or mode
  // wrong, a symbolic link, another layout, other sizes, shared memory full, lock not had in time.
  static Segment own(const SegmentOptions& options, std::chrono::milliseconds patience);

  // As copper_fuse. Waits, at most `patience`, for the segment to appear (inotify). Throws Refusal likewise,
  // and where another live copper_fuse holds the front end's OFD lock.
  static Segment attach(const std::filesystem::path& stem, std::chrono::milliseconds patience);

  // Goes with the mapping and the locks; the files stay.

  // Removes the segment's files. The mapping stays valid.
  void unlink_files();

  segment::Header& header() const;
  std::uint32_t lanes() const { return plan_.lane_count; }
  segment::Lane& lane(std::uint32_t n) const;         // n < lanes()
  std::span<segment::RequestSlot> slots() const;      // the lanes'
  std::span<segment::RequestSlot> init_slot() const;  // one, of the kernel's INIT, where it stays
  SharedIndex index() const;
  std::span<segment::InodeRecord> inodes() const;  // all of the range; only the committed may be touched
  std::span<segment::AbsentRecord> absent_names() const;  // likewise
  std::span<std::byte> arena() const;                     // likewise; where attached, only to read

  // Backs the first `bytes` of a growing region with memory (fallocate), in steps; false where shared memory
  // is full.
  bool commit_inodes(std::size_t bytes);
  bool commit_absent_names(std::size_t bytes);
  bool commit_arena(std::size_t bytes);
  // Of the arena, so much is: as its owner knows it, whatever the header says by now.
  std::size_t arena_committed() const { return arena_committed_; }

  // Is there a front end, of whatever worker? For the segment's owner.
  bool has_front_end() const;

  // The rank's doorbell. ring_service: after a post. wait_service: at most `timeout`, returns at once where
  // the doorbell has moved on from `seen`.
  void ring_service() const;
  std::uint32_t doorbell() const;
  void wait_service(std::uint32_t seen, std::chrono::nanoseconds timeout) const;

  // A lane's doorbell. bell_fd: for poll, readable when rung; drain after waking.
  int bell_fd(std::uint32_t lane) const;
  void ring_lane(std::uint32_t lane) const;
  void drain_bell(std::uint32_t lane) const;

 private:
  // Where everything lies in a segment of so many lanes, and so many bytes of arena.
  struct Plan {
    std::uint32_t lane_count = 0;
    segment::Region lanes, slots, index, inodes, absent, arena;
    std::uint64_t file_bytes = 0;

    Plan() = default;
    Plan(std::uint32_t count, std::uint64_t arena_bytes);
    bool describes(const segment::Header& header) const;
    // What is backed with memory at once: everything before the growing regions.
    std::uint64_t fixed_bytes() const { return inodes.offset; }
  };

  Segment(PrivateDirectory directory, std::string name, FileDescriptor file);
  static std::optional<Segment> make(const SegmentOptions& options);
  void map_existing();
  void open_bells();
  bool commit(const segment::Region& region, segment::AtomicU64& committed, std::size_t bytes);

  PrivateDirectory directory_;
  std::string name_;     // of the stem
  FileDescriptor file_;  // its locks last as long as it is open
  Plan plan_;
  Mapping mapping_;
  std::size_t arena_committed_ = 0;
  std::vector<FileDescriptor> bells_;
};

}  // namespace copper
