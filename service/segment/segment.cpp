// The file is made without a name, filled, locked and then linked, so that whoever finds it finds it
// complete. What is found is believed only where its header agrees with the layout computed from it; and
// where everything lies is remembered from then on, since the other process could write to the header.
#include "service/segment/segment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <climits>
#include <string_view>
#include <utility>

#include "service/segment/owner_lock.h"

namespace copper {
namespace {

using segment::Header;
using segment::huge_page_bytes;
using segment::page_bytes;
using segment::Region;
using std::chrono::steady_clock;

constexpr std::size_t arena_bytes_min = 64 * 1024;

std::string segment_name(const std::string& stem) { return stem + ".segment"; }
std::string bell_name(const std::string& stem, std::uint32_t lane) {
  return fmt::format("{}.bell.{}", stem, lane);
}

std::uint64_t index_buckets(std::uint64_t arena_bytes) {
  return std::bit_ceil(arena_bytes / segment::arena_bytes_per_slot / segment::index_ways + 1);
}

bool same(const Region& a, const Region& b) { return a.offset == b.offset && a.bytes == b.bytes; }

// Fixed-size futex calls on a word that two processes share (so never the private kind).
long futex(const segment::AtomicU32& word, int operation, std::uint32_t value, const timespec* timeout) {
  static_assert(sizeof(segment::AtomicU32) == sizeof(std::uint32_t));
  return ::syscall(SYS_futex, &word, operation, value, timeout, nullptr, 0);
}

bool allocate_file(int file, std::uint64_t offset, std::uint64_t bytes) {
  int result = 0;
  do result = ::fallocate(file, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes));
  while (result != 0 && errno == EINTR);
  return result == 0;
}

Refusal contradiction(const std::string& path) {
  return Refusal(fmt::format("{}: is damaged: its sizes contradict each other", path));
}

bool unlinked(int file) {
  struct stat st {};
  return ::fstat(file, &st) == 0 && st.st_nlink == 0;
}

// Waits for something to appear in a directory.
class Arrivals {
 public:
  explicit Arrivals(const std::filesystem::path& directory)
      : inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    if (inotify_ && ::inotify_add_watch(inotify_.get(), directory.c_str(), IN_CREATE | IN_MOVED_TO) < 0) {
      inotify_ = FileDescriptor();
    }
  }
  void wait(steady_clock::duration time) {
    auto bound = std::chrono::ceil<std::chrono::milliseconds>(time).count();
    if (!inotify_)
      bound = std::min<decltype(bound)>(bound, 20);  // the user's inotify instances are used up: look
    pollfd arrival{inotify_.get(), POLLIN, 0};
    if (::poll(&arrival, 1, static_cast<int>(std::min<decltype(bound)>(bound, INT_MAX))) <= 0) return;
    std::array<char, 4096> events;
    while (::read(inotify_.get(), events.data(), events.size()) > 0) {
    }
  }

 private:
  FileDescriptor inotify_;
};

}  // namespace

Segment::Plan::Plan(std::uint32_t count, std::uint64_t arena_bytes) : lane_count(count) {
  std::uint64_t end = segment::align_up(sizeof(Header), page_bytes);
  const auto place = [&end](std::uint64_t bytes) {
    const Region region{end, bytes};
    end += segment::align_up(bytes, page_bytes);
    return region;
  };
  lanes = place(lane_count * sizeof(segment::Lane));
  slots = place((segment::request_slots + 1) * sizeof(segment::RequestSlot));
  index = place(index_buckets(arena_bytes) * sizeof(segment::IndexBucket));
  inodes = place(segment::inodes_max * sizeof(segment::InodeRecord));
  absent = place(segment::absent_names_max * sizeof(segment::AbsentRecord));
  end = segment::align_up(end, huge_page_bytes);
  arena = place(arena_bytes / page_bytes * page_bytes);
  file_bytes = end;
}

bool Segment::Plan::describes(const Header& header) const {
  return header.lanes == lane_count && header.file_bytes == file_bytes && same(header.lane_region, lanes) &&
         same(header.slot_region, slots) && same(header.index_region, index) &&
         same(header.inode_region, inodes) && same(header.absent_region, absent) &&
         same(header.arena_region, arena);
}

Segment::Segment(PrivateDirectory directory, std::string name, FileDescriptor file)
    : directory_(std::move(directory)), name_(std::move(name)), file_(std::move(file)) {}

// Maps a file whose header must be believable: made by this layout, and as long as it says.
void Segment::map_existing() {
  const std::string path = (directory_.path() / segment_name(name_)).native();
  struct stat st {};
  if (::fstat(file_.get(), &st) != 0) throw Refusal(fmt::format("{}: {}", path, error_text(errno)));
  const auto bytes = static_cast<std::uint64_t>(st.st_size);
  if (bytes < sizeof(Header)) throw Refusal(fmt::format("{}: is no segment of Copper: too short", path));
  mapping_ = Mapping(file_.get(), bytes);
  if (!mapping_) throw Refusal(fmt::format("{}: cannot be mapped: {}", path, error_text(errno)));

  const auto& head = header();
  if (head.magic.load(std::memory_order_acquire) != segment::magic) {
    throw Refusal(fmt::format("{}: is no segment of Copper", path));
  }
  if (const auto version = head.layout_version; version != segment::layout_version) {
    throw Refusal(fmt::format(
        "{}: has layout version {}, this program has version {}: end that job first, or remove the file",
        path, version, segment::layout_version));
  }
  const auto lanes = head.lanes;
  const auto arena_bytes = head.arena_region.bytes;
  const bool possible = lanes >= 1 && lanes <= segment::lanes_max && arena_bytes <= bytes;
  plan_ = possible ? Plan(lanes, arena_bytes) : Plan{};
  arena_committed_ = head.arena_bytes_committed.load();
  if (plan_.file_bytes != bytes || !plan_.describes(head) ||
      head.inode_bytes_committed.load() > plan_.inodes.bytes ||
      head.absent_bytes_committed.load() > plan_.absent.bytes || arena_committed_ > plan_.arena.bytes) {
    throw contradiction(path);
  }
}

void Segment::open_bells() {
  for (std::uint32_t lane = 0; lane < lanes(); ++lane) {
    bells_.push_back(directory_.open_fifo(bell_name(name_, lane)));
  }
}

// A new segment, owned; nothing where another came first.
std::optional<Segment> Segment::make(const SegmentOptions& options) {
  PrivateDirectory directory(options.stem.parent_path());
  FileDescriptor file = directory.make_file();
  const Plan plan(options.lanes, options.arena_bytes);
  const std::string place = directory.path().native();

  const std::uint64_t first_step = std::min<std::uint64_t>(plan.arena.bytes, arena_step_bytes);
  const std::uint64_t wanted = plan.fixed_bytes() + first_step;
  struct statvfs space {};
  if (::fstatvfs(file.get(), &space) != 0) throw Refusal(fmt::format("{}: {}", place, error_text(errno)));
  const std::uint64_t free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
  if (free_bytes < wanted) {
    throw Refusal(
        fmt::format("shared memory is too small: {} has {} bytes free, a node needs {} to begin with", place,
                    free_bytes, wanted));
  }
  if (::ftruncate(file.get(), static_cast<off_t>(plan.file_bytes)) != 0) {
    throw Refusal(fmt::format("{}: no file of {} bytes: {}", place, plan.file_bytes, error_text(errno)));
  }
  if (!allocate_file(file.get(), 0, plan.fixed_bytes())) {
    throw Refusal(fmt::format("shared memory is too small: {} bytes in {}: {}", plan.fixed_bytes(), place,
                              error_text(errno)));
  }
  Segment made(std::move(directory), options.stem.filename().native(), std::move(file));
  made.plan_ = plan;
  made.mapping_ = Mapping(made.file_.get(), plan.file_bytes);
  if (!made.mapping_) throw Refusal(fmt::format("{}: cannot be mapped: {}", place, error_text(errno)));
  Header& head = made.header();
  head.layout_version = segment::layout_version;
  head.lanes = options.lanes;
  head.file_bytes = plan.file_bytes;
  head.lane_region = plan.lanes;
  head.slot_region = plan.slots;
  head.index_region = plan.index;
  head.inode_region = plan.inodes;
  head.absent_region = plan.absent;
  head.arena_region = plan.arena;
  head.service_generation = 1;
  head.service_pid = static_cast<std::uint32_t>(::getpid());
  head.magic.store(segment::magic, std::memory_order_release);

  for (std::uint32_t lane = 0; lane < options.lanes; ++lane) {
    made.bells_.push_back(made.directory_.make_fifo(bell_name(made.name_, lane)));
  }
  if (!try_lock(made.file_.get(), LockByte::service)) {
    throw Refusal(fmt::format("{}: cannot be locked: {}", place, error_text(errno)));
  }
  if (!made.directory_.link_file(made.file_.get(), segment_name(made.name_))) return std::nullopt;
  return made;
}

Segment Segment::own(const SegmentOptions& options, std::chrono::milliseconds patience) {
  const auto deadline = steady_clock::now() + patience;
  if (options.lanes < 1 || options.lanes > segment::lanes_max) {
    throw Refusal(fmt::format("{} lanes: there can be 1 to {}", options.lanes, segment::lanes_max));
  }
  if (options.arena_bytes < arena_bytes_min) {
    throw Refusal(
        fmt::format("a cache of {} bytes: at least {} are needed", options.arena_bytes, arena_bytes_min));
  }
  const std::string name = options.stem.filename().native();
  for (;;) {
    PrivateDirectory directory(options.stem.parent_path());
    auto file = directory.open_file(segment_name(name));
    if (!file) {
      if (auto made = make(options)) return std::move(*made);
      continue;
    }
    const std::string path = (directory.path() / segment_name(name)).native();
    Segment found(std::move(directory), name, std::move(*file));
    found.map_existing();
    Header& head = found.header();
    const Plan plan(options.lanes, options.arena_bytes);
    if (found.lanes() != options.lanes || found.plan_.arena.bytes != plan.arena.bytes) {
      throw Refusal(fmt::format(
          "{}: has {} lanes and an arena of {} bytes, wanted are {} and {}: end that job first, or "
          "remove the file",
          path, found.lanes(), found.plan_.arena.bytes, options.lanes, plan.arena.bytes));
    }
    if (!take_service_lock(found.file_.get(), head.service_pid, deadline)) {
      throw StillHeld(
          fmt::format("{}: its owner, process {}, still holds it", path, head.service_pid.load()));
    }
    if (unlinked(found.file_.get())) continue;                   // the former owner took it along
    found.arena_committed_ = head.arena_bytes_committed.load();  // it went on until it ended
    if (found.arena_committed_ > plan.arena.bytes) throw contradiction(path);
    head.service_generation.fetch_add(1);
    head.service_pid = static_cast<std::uint32_t>(::getpid());
    for (std::uint32_t lane = 0; lane < found.lanes(); ++lane)
      found.directory_.make_fifo(bell_name(name, lane));
    found.open_bells();
    return found;
  }
}

Segment Segment::attach(const std::filesystem::path& stem, std::chrono::milliseconds patience) {
  const auto deadline = steady_clock::now() + patience;
  const std::string name = stem.filename().native();
  Arrivals arrivals(stem.parent_path());
  for (;;) {
    PrivateDirectory directory(stem.parent_path());
    const std::string path = (directory.path() / segment_name(name)).native();
    if (auto file = directory.open_file(segment_name(name))) {
      Segment found(std::move(directory), name, std::move(*file));
      found.map_existing();
      if (!try_lock(found.file_.get(), LockByte::front_end)) {
        throw Refusal(fmt::format("{}: another copper_fuse, process {}, serves it", path,
                                  found.header().parent_pid.load()));
      }
      if (!unlinked(found.file_.get())) {
        found.mapping_.only_to_read(found.arena());
        found.open_bells();
        return found;
      }
    }
    const auto now = steady_clock::now();
    if (now >= deadline)
      throw Refusal(fmt::format("{}: no copper_service made it within {} ms", path, patience.count()));
    arrivals.wait(deadline - now);
  }
}

void Segment::unlink_files() {
  directory_.unlink(segment_name(name_));
  for (std::uint32_t lane = 0; lane < bells_.size(); ++lane) directory_.unlink(bell_name(name_, lane));
}

bool Segment::has_front_end() const { return is_locked(file_.get(), LockByte::front_end); }

segment::Header& Segment::header() const { return *reinterpret_cast<Header*>(mapping_.data()); }

segment::Lane& Segment::lane(std::uint32_t n) const {
  return reinterpret_cast<segment::Lane*>(mapping_.data() + plan_.lanes.offset)[n];
}

std::span<segment::RequestSlot> Segment::slots() const {
  auto* first = reinterpret_cast<segment::RequestSlot*>(mapping_.data() + plan_.slots.offset);
  return {first, segment::request_slots};
}

SharedIndex Segment::index() const {
  auto* first = reinterpret_cast<segment::IndexBucket*>(mapping_.data() + plan_.index.offset);
  return SharedIndex({first, plan_.index.bytes / sizeof(segment::IndexBucket)});
}

std::span<segment::RequestSlot> Segment::init_slot() const {
  return {slots().data() + segment::request_slots, 1};
}

std::span<segment::InodeRecord> Segment::inodes() const {
  auto* first = reinterpret_cast<segment::InodeRecord*>(mapping_.data() + plan_.inodes.offset);
  return {first, segment::inodes_max};
}

std::span<segment::AbsentRecord> Segment::absent_names() const {
  auto* first = reinterpret_cast<segment::AbsentRecord*>(mapping_.data() + plan_.absent.offset);
  return {first, segment::absent_names_max};
}

std::span<std::byte> Segment::arena() const {
  return {mapping_.data() + plan_.arena.offset, plan_.arena.bytes};
}

bool Segment::commit(const Region& region, segment::AtomicU64& committed, std::size_t bytes) {
  const std::uint64_t have = committed.load(std::memory_order_relaxed);
  if (bytes <= have) return true;
  if (bytes > region.bytes || !allocate_file(file_.get(), region.offset + have, bytes - have)) return false;
  committed.store(bytes, std::memory_order_release);
  return true;
}

bool Segment::commit_inodes(std::size_t bytes) {
  return commit(plan_.inodes, header().inode_bytes_committed, bytes);
}

bool Segment::commit_absent_names(std::size_t bytes) {
  return commit(plan_.absent, header().absent_bytes_committed, bytes);
}

// Where it fails, shared memory has as much free as before.
bool Segment::commit_arena(std::size_t bytes) {
  if (bytes <= arena_committed_) return true;
  if (bytes > plan_.arena.bytes) return false;
  const auto more = arena().subspan(arena_committed_, bytes - arena_committed_);
  const std::uint64_t offset = plan_.arena.offset + arena_committed_;
  mapping_.take_huge_pages(file_.get(), more);
  if (!allocate_file(file_.get(), offset, more.size())) {
    ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                static_cast<off_t>(more.size()));
    return false;
  }
  mapping_.about_to_write(more);
  arena_committed_ = bytes;
  header().arena_bytes_committed.store(bytes, std::memory_order_release);
  return true;
}

void Segment::ring_service() const {
  Header& head = header();
  head.doorbell.fetch_add(1, std::memory_order_seq_cst);
  if (head.service_sleeping.load(std::memory_order_seq_cst) != 0)
    futex(head.doorbell, FUTEX_WAKE, INT_MAX, nullptr);
}

std::uint32_t Segment::doorbell() const { return header().doorbell.load(std::memory_order_seq_cst); }

void Segment::wait_service(std::uint32_t seen, std::chrono::nanoseconds timeout) const {
  if (timeout <= timeout.zero()) return;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const timespec time{static_cast<time_t>(seconds.count()), static_cast<long>((timeout - seconds).count())};
  Header& head = header();
  head.service_sleeping.store(1, std::memory_order_seq_cst);
  futex(head.doorbell, FUTEX_WAIT, seen, &time);
  head.service_sleeping.store(0, std::memory_order_seq_cst);
}

int Segment::bell_fd(std::uint32_t lane) const { return bells_.at(lane).get(); }

// A full FIFO is a rung bell.
void Segment::ring_lane(std::uint32_t lane) const {
  constexpr char ring = 1;
  [[maybe_unused]] const auto written = ::write(bell_fd(lane), &ring, 1);
}

void Segment::drain_bell(std::uint32_t lane) const {
  std::array<char, 4096> rings;
  while (::read(bell_fd(lane), rings.data(), rings.size()) == static_cast<ssize_t>(rings.size())) {
  }
}

}  // namespace copper
