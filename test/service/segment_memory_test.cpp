// The memory that backs a segment's growing regions: before use, the arena's of huge pages where the kernel
// can, and given back where it does not suffice.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "service/segment/segment.h"
#include "test/service/scratch.h"

namespace copper {
namespace {

using segment::huge_page_bytes;

Segment own(const Scratch& scratch, std::size_t arena_bytes) {
  return Segment::own({.stem = scratch / "node0", .lanes = 1, .arena_bytes = arena_bytes},
                      std::chrono::milliseconds(0));
}

// Of shared memory, in all mappings of this process.
std::size_t mapped_huge() {
  std::ifstream smaps("/proc/self/smaps_rollup");
  for (std::string line; std::getline(smaps, line);) {
    if (line.starts_with("ShmemPmdMapped:")) return std::stoul(line.substr(15)) * 1024;
  }
  return 0;
}

// A shared memory that is soon full.
class Small {
 public:
  explicit Small(const std::filesystem::path& at) : at_(at) {
    mounted_ = ::mount("small", at_.c_str(), "tmpfs", 0, "size=40m,mode=700") == 0;
  }
  Small(const Small&) = delete;
  ~Small() {
    if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  explicit operator bool() const { return mounted_; }
  std::size_t free_bytes() const {
    struct statvfs space {};
    REQUIRE(::statvfs(at_.c_str(), &space) == 0);
    return space.f_bavail * space.f_frsize;
  }

 private:
  std::filesystem::path at_;
  bool mounted_;
};

// Now, so many? A kernel may be too old, and memory in pieces.
bool kernel_makes(std::size_t huge_pages) {
  const std::size_t bytes = huge_pages * huge_page_bytes;
  const FileDescriptor file(::memfd_create("probe", MFD_CLOEXEC));
  if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) return false;
  const Mapping probe(file.get(), bytes);
  const std::size_t before = mapped_huge();
  for (std::size_t at = 0; at < bytes; at += huge_page_bytes) {
    probe.data()[at] = std::byte{1};
    constexpr int collapse = 25;  // MADV_COLLAPSE
    ::madvise(probe.data() + at, huge_page_bytes, collapse);
  }
  return mapped_huge() - before == bytes;
}

}  // namespace

TEST_CASE("growing regions are committed before use and never beyond their range") {
  const Scratch scratch;
  auto segment = own(scratch, 1 << 20);
  REQUIRE(segment.commit_inodes(1 << 20));
  CHECK(segment.header().inode_bytes_committed == 1 << 20);
  segment.inodes()[100].attributes.mode = 7;
  CHECK(segment.commit_inodes(4096));
  CHECK(segment.header().inode_bytes_committed == 1 << 20);
  REQUIRE(segment.commit_arena(segment.arena().size()));
  segment.arena().back() = std::byte{1};
  CHECK(!segment.commit_arena(segment.arena().size() + 1));
}

TEST_CASE("what is committed of the arena is mapped in huge pages, by who writes and by who reads") {
  if (!kernel_makes(12)) {
    WARN("this kernel makes no huge pages now: not tested");
    return;
  }
  const Scratch scratch;
  const std::size_t before = mapped_huge();
  auto segment = own(scratch, 6 * huge_page_bytes);
  REQUIRE(segment.commit_arena(6 * huge_page_bytes));
  if (mapped_huge() - before < 6 * huge_page_bytes && !kernel_makes(12)) {
    WARN("memory in one piece has become short: not tested");
    return;
  }
  CHECK(mapped_huge() - before == 6 * huge_page_bytes);
  segment.arena().front() = std::byte{1};
  const auto attached = Segment::attach(scratch / "node0", std::chrono::milliseconds(0));
  std::size_t sum = 0;
  for (std::size_t at = 0; at < 6 * huge_page_bytes; at += segment::page_bytes)
    sum += std::to_integer<std::size_t>(attached.arena()[at]);
  CHECK(sum == 1);
  CHECK(mapped_huge() - before == 12 * huge_page_bytes);
}

TEST_CASE("a step of the arena that shared memory has no room for takes none of it") {
  const Scratch scratch;
  const Small small(scratch.path());
  if (!small) {
    WARN("only root may mount a small shared memory: not tested");
    return;
  }
  auto segment = own(scratch, 32 * huge_page_bytes);
  REQUIRE(segment.commit_arena(huge_page_bytes));
  const auto free = small.free_bytes();
  REQUIRE(free > huge_page_bytes);
  REQUIRE(free < 31 * huge_page_bytes);
  CHECK(!segment.commit_arena(32 * huge_page_bytes));
  CHECK(segment.header().arena_bytes_committed == huge_page_bytes);
  CHECK(small.free_bytes() == free);
  CHECK(segment.commit_arena(huge_page_bytes + free));
  CHECK(small.free_bytes() == 0);
}

}  // namespace copper
