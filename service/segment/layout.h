// The records that copper_fuse and copper_service share: one file per node in shared memory, mapped by both.
// Records, not objects: fixed size, trivially copyable, indices instead of pointers, lock-free atomics only,
// so that either process may be killed between any two instructions without stopping the other. Whoever reads
// a field that the other process writes validates it.
//
//   | header | lanes: post ring + complete ring each | request slots | index | inodes (grows) |
//   | absent names (grows) | arena (grows) |
//
// Growing regions have their whole address range reserved in the (sparse) file; fallocate comes before use.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "service/storage/attributes.h"
#include "tree/key.h"
#include "tree/limits.h"
#include "tree/profile/latencies.h"

namespace copper::segment {

inline constexpr std::uint64_t magic = 0x31'52'45'50'50'4f'43'2eULL;  // ".COPPER1"
inline constexpr std::uint32_t layout_version = 7;

inline constexpr std::uint32_t lanes_max = 8;         // front-end threads, one ring pair each
inline constexpr std::uint32_t posts_per_lane = 256;  // full: the front end keeps the rest in its own queue
inline constexpr std::uint32_t completions_per_lane = 4096;  // full: the service keeps the rest itself
inline constexpr std::uint32_t request_slots = 2048;     // none free: the front end reads no further request
inline constexpr std::size_t request_bytes = 8192 + 64;  // the kernel's minimum, for max_write of 4096
inline constexpr std::uint32_t inodes_max = 1u << 22;    // full: ENOMEM to the lookup
inline constexpr std::uint32_t absent_names_max = 1u << 16;  // full: the kernel drops the oldest

using AtomicU32 = std::atomic<std::uint32_t>;
using AtomicU64 = std::atomic<std::uint64_t>;
using AtomicI64 = std::atomic<std::int64_t>;
static_assert(AtomicU32::is_always_lock_free && AtomicU64::is_always_lock_free &&
              AtomicI64::is_always_lock_free);

inline constexpr std::size_t page_bytes = 4096;
inline constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;

struct Region {
  std::uint64_t offset = 0;  // from the start of the file
  std::uint64_t bytes = 0;
};

enum class MountState : std::uint32_t { none = 0, mounted = 1, gone = 2 };

// What the front end counts, for `copper stats`: written by the worker, read by the service.
// clang-format off
#define COPPER_FUSE_COUNTERS(X)                                                            \
  X(fuse_lookup) X(fuse_forget) X(fuse_getattr) X(fuse_readlink) X(fuse_open) X(fuse_read) \
  X(fuse_opendir) X(fuse_readdir) X(fuse_readdirplus) X(fuse_statfs) X(fuse_ioctl)         \
  X(fuse_interrupt) X(fuse_other) X(fuse_from_view) X(fuse_found) X(fuse_asked)            \
  X(fuse_direct) X(fuse_errors) X(fuse_damaged) X(fuse_bytes) X(fuse_links_out)            \
  X(fuse_large_loads) X(fuse_large_bytes) X(notify_entry) X(notify_inode)                  \
  X(worker_deaths) X(requests_again) X(requests_given_up)
// clang-format on
enum class FuseCounter : std::size_t {
#define COPPER_FUSE_COUNTER_NAME(name) name,
  COPPER_FUSE_COUNTERS(COPPER_FUSE_COUNTER_NAME)
#undef COPPER_FUSE_COUNTER_NAME
      count
};
inline constexpr std::size_t fuse_counter_count = static_cast<std::size_t>(FuseCounter::count);

// What it times: from when a request has been read until it has been replied to. A block of these for each
// front-end thread, so that no two write the same cache line.
// clang-format off
#define COPPER_FUSE_OPERATIONS(X) \
  X(lookup) X(getattr) X(readlink) X(read) X(readdir) X(readdirplus) X(statfs) X(ioctl)
// clang-format on
enum class FuseOperation : std::size_t {
#define COPPER_FUSE_OPERATION_NAME(name) name,
  COPPER_FUSE_OPERATIONS(COPPER_FUSE_OPERATION_NAME)
#undef COPPER_FUSE_OPERATION_NAME
      count
};
inline constexpr std::size_t fuse_operation_count = static_cast<std::size_t>(FuseOperation::count);

struct SharedLatencies {  // see Latencies
  AtomicU64 errors;
  AtomicU64 bytes;
  AtomicU64 total_us;
  AtomicU64 max_us;
  std::array<AtomicU64, Latencies::buckets> took;
};
struct LaneLatencies {
  alignas(64) std::array<SharedLatencies, fuse_operation_count> operations;
};

struct Header {
  AtomicU64 magic;  // stored last when the segment is made
  std::uint32_t layout_version;
  std::uint32_t lanes;  // 1..lanes_max; as are the sizes below, checked once and remembered (segment.h)
  std::uint64_t file_bytes;
  Region lane_region;    // `lanes` times struct Lane
  Region slot_region;    // `request_slots` times struct RequestSlot, and one for INIT
  Region index_region;   // a power of two of struct IndexBucket
  Region inode_region;   // `inodes_max` times struct InodeRecord
  Region absent_region;  // `absent_names_max` times struct AbsentRecord
  Region arena_region;   // see struct BlockHeader

  alignas(64) AtomicU32 service_generation;  // rises with each rank that owns the segment; 0: none yet
  AtomicU32 service_pid;
  AtomicU64 service_alive_ns;      // CLOCK_MONOTONIC of the rank's last turn
  AtomicU64 freshness_ms;          // -E, for what the front end reads without the rank; written by the rank
  AtomicU64 max_cacheable_bytes;   // -M, likewise
  AtomicU32 ranks;                 // of the job, likewise
  alignas(64) AtomicU32 doorbell;  // rises with each post; the rank sleeps on it (futex)
  AtomicU32 service_sleeping;      // nonzero: ring it

  alignas(64) AtomicU32 worker_generation;  // rises with each front-end worker; 0: none yet
  AtomicU32 worker_pid;
  AtomicU32 parent_pid;
  AtomicU32 mount_state;                          // MountState
  AtomicU32 read_ahead_kb;                        // of the kernel, on the mount; 0: not known
  AtomicU64 inode_bytes_committed;                // of the inode region, from its start
  AtomicU64 inode_generation;                     // the last generation given to an inode
  AtomicU64 absent_bytes_committed;               // of the absent names' region, likewise
  AtomicU64 absent_next;                          // the record of the absent name that is told next
  std::array<AtomicU32, lanes_max> lane_threads;  // of the worker, as the system numbers them; 0: none yet
  std::array<AtomicU64, fuse_counter_count> fuse_counters;

  std::array<LaneLatencies, lanes_max> fuse_latencies;

  alignas(64) AtomicU64 arena_bytes_committed;  // of the arena region, from its start
};

// ---- rings ----
// One producer, one consumer, indices that only rise; record i lies at i % N. The consumer says "asleep"
// before it checks once more and sleeps; the producer rings the bell after publishing when it finds that
// said.

enum class PostKind : std::uint32_t {
  ask = 1,      // key + have
  cancel = 2,   // client: it no longer waits
  release = 3,  // block: one lease on it ends
  control = 4,  // client, op; clear: path
  mounted = 5,  // the mount answers
  cleared = 6,  // client: the number of a clear that is done, the kernel's part included
  found = 7,    // key: it was found in the index, nobody waits for an answer
};

struct PostRecord {
  PostKind kind;
  std::uint32_t generation;  // of the worker; others are dropped
  std::uint64_t client;      // generation << 32 | number; unique while it waits
  std::uint64_t block;       // release: the block's offset in the arena region
  std::uint64_t have;        // ask: tag of the bytes held already, or 0
  Version version;           // ask, found
  std::uint32_t number;      // ask, found: block number; control: op
  std::uint16_t path_bytes;  // ask, found, control
  std::uint8_t key_kind;     // ask, found
  std::uint8_t reserved;
  std::array<char, limits::path_bytes + 1> path;
};

enum class CompletionKind : std::uint32_t {
  outcome = 1,  // to `client`
  notice = 2,   // drop what you hold of the key: its path is the bytes, its kind is in `key_kind`
  clear = 3,    // forget all at or below the path that is the bytes; then post `cleared` with this `client`
};

struct CompletionRecord {
  CompletionKind kind;
  std::uint32_t generation;  // of the worker that is meant
  std::uint64_t client;
  std::int32_t error;      // errno, 0: the bytes follow
  std::uint8_t unchanged;  // the bytes are those whose tag the ask named
  std::uint8_t key_kind;   // notice
  std::uint16_t reserved;
  std::uint64_t block;  // offset of the BlockHeader in the arena region; one lease on it is the reader's
  std::uint64_t bytes;  // valid bytes in it
  std::uint64_t tag;
  std::int64_t fresh_until_ns;  // CLOCK_MONOTONIC; INT64_MAX: for the job
};

template <class Record, std::uint32_t N>
struct RingArea {
  alignas(64) AtomicU64 head;  // next to consume; written by the consumer
  AtomicU32 consumer_asleep;
  alignas(64) AtomicU64 tail;  // next to produce; written by the producer
  alignas(64) std::array<Record, N> records;
};

struct Lane {
  RingArea<PostRecord, posts_per_lane> posts;
  RingArea<CompletionRecord, completions_per_lane> completions;
};

// ---- request slots ----
// A request of the kernel is read straight into a slot, and stays until it has been replied to, so that a
// successor of a dead worker finds it. Its header's first field, its length, says that it is there: that is 0
// when a slot is taken, and the kernel writes it, whatever becomes of the worker inside read().

enum class SlotState : std::uint32_t { free = 0, taken = 1 };

struct RequestSlot {
  AtomicU32 state;    // SlotState
  AtomicU32 deaths;   // workers that died while they held it
  AtomicU32 begun;    // of the steps that must not be done twice, a FORGET's, those that were begun
  AtomicU32 read_ms;  // CLOCK_MONOTONIC, modulo 2^32: when the request was read
  alignas(64) std::array<std::byte, request_bytes> request;
};

// ---- index ----
// Which blocks of the arena hold what is ready, and until when that is fresh: a hash table in buckets,
// written by the rank alone, read without a lock. A slot is a sequence lock: its sequence is even while the
// slot says something, and rises with each change, before the memory that it names is used for anything else.
// So who copies a block and then finds the slot's sequence as it was has copied that block. What finds no
// slot in its bucket pushes another out, which has to be asked for then.

struct IndexSlot {
  AtomicU64 sequence;        // even: the rest is valid
  AtomicU64 hash;            // of the key
  AtomicU64 block;           // offset of the BlockHeader in the arena region
  AtomicI64 fresh_until_ns;  // as in a completion; may change while the sequence stays
};
inline constexpr std::size_t index_ways = 8;
struct IndexBucket {
  alignas(64) std::array<IndexSlot, index_ways> slots;
};
inline constexpr std::size_t arena_bytes_per_slot = 16384;

// ---- inodes ----
// FUSE nodeids: record i is nodeid i + 1 (1 is the root, path "/"). A directory is named by its path,
// anything else by path and version. Written by the worker only.

enum class InodeState : std::uint32_t { free = 0, live = 1 };

struct InodeRecord {
  AtomicU32 state;    // InodeState; `live` is stored after the other fields
  AtomicU64 lookups;  // the kernel's count; rises before the reply that raises it, so errs upwards only
  std::uint64_t generation;  // never used before with this nodeid
  std::uint64_t parent;      // nodeid
  Attributes
      attributes;  // of a non-directory for good, since they are its version's; of a directory as first seen
  std::uint16_t name_bytes;
  std::uint16_t racy;  // 1: it was found when its version was too young to tell its bytes
  std::array<char, limits::name_bytes + 1> name;
};

// ---- absent names ----
// Names that the kernel has been told are absent: a ring, in the order of telling. Written by the worker
// only.

struct AbsentRecord {
  AtomicU64 generation;     // of the directory; stored after the other fields. 0: none
  std::uint64_t directory;  // nodeid
  std::int64_t until_ns;    // CLOCK_MONOTONIC
  std::uint16_t name_bytes;
  std::array<char, limits::name_bytes + 1> name;
};

// ---- arena ----
// A chain of blocks without gaps over the committed bytes: each begins with its header, `span` bytes later
// begins the next. Splitting writes the new header before the old span shrinks, merging is one store, so the
// chain can be walked at any moment; memory just committed is all zeros: free up to the end.
// Blocks describe themselves: the rank's index is private and rebuilt by walking.

inline constexpr std::uint32_t block_magic = 0x4b4c4243;  // "CBLK"
inline constexpr std::size_t block_alignment = 64;

enum class BlockState : std::uint32_t { free = 0, filling = 1, ready = 2 };

struct BlockHeader {
  std::uint32_t magic;
  AtomicU32 state;   // BlockState; `ready` is stored after everything else
  AtomicU64 span;    // from this header to the next, a multiple of block_alignment
  AtomicU32 leases;  // completions not yet released, of worker generation `lease_generation`
  std::uint32_t lease_generation;
  std::uint64_t description_tag;  // xxh3 of all that follows, the path included
  std::uint64_t bytes;            // of data
  std::uint64_t tag;              // xxh3 of the data
  Version version;                // of the key, as are the following
  std::uint32_t number;
  std::uint16_t path_bytes;  // 0: bytes of no key (a control answer, a notice)
  std::uint8_t key_kind;
  std::uint8_t reserved;
  // then: path, padding to block_alignment, data
};
static_assert(sizeof(BlockHeader) - offsetof(BlockHeader, bytes) == 16 + sizeof(Version) + 8,
              "no padding is tagged");

inline constexpr std::size_t align_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }
inline constexpr std::size_t data_offset(std::size_t path_bytes) {
  return align_up(sizeof(BlockHeader) + path_bytes, block_alignment);
}

static_assert(std::is_trivially_copyable_v<PostRecord> && std::is_standard_layout_v<PostRecord>);
static_assert(std::is_trivially_copyable_v<CompletionRecord> && std::is_standard_layout_v<CompletionRecord>);
static_assert(std::is_standard_layout_v<Header> && std::is_standard_layout_v<BlockHeader>);
static_assert(std::is_standard_layout_v<IndexBucket>);
static_assert(std::is_standard_layout_v<InodeRecord> && std::is_standard_layout_v<RequestSlot>);
static_assert(std::is_standard_layout_v<AbsentRecord>);
static_assert(completions_per_lane > request_slots, "every slot of a lane can complete at once");

}  // namespace copper::segment
