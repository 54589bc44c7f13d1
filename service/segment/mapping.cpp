// What older C libraries have no name for is named here.
#include "service/segment/mapping.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdint>

#include "service/segment/layout.h"

namespace copper {
namespace {

using segment::align_up;
using segment::huge_page_bytes;
using segment::page_bytes;

constexpr int populate_write = 23;  // MADV_POPULATE_WRITE
constexpr int collapse = 25;        // MADV_COLLAPSE

}  // namespace

// mmap knows the boundaries of small pages: a range longer by a huge page has one of its boundaries in it.
Mapping::Mapping(int file, std::size_t bytes) : bytes_(bytes) {
  const std::size_t room = align_up(bytes, page_bytes) + huge_page_bytes;
  void* range = ::mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) return;
  auto* const first = static_cast<std::byte*>(range);
  const auto address = reinterpret_cast<std::uintptr_t>(range);
  auto* const begin = first + (align_up(address, huge_page_bytes) - address);
  auto* const end = begin + align_up(bytes, page_bytes);
  if (begin > first) ::munmap(first, static_cast<std::size_t>(begin - first));
  if (end < first + room) ::munmap(end, static_cast<std::size_t>(first + room - end));
  if (::mmap(begin, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, file, 0) !=
      MAP_FAILED) {
    base_ = begin;
    return;
  }
  const int error = errno;
  ::munmap(begin, static_cast<std::size_t>(end - begin));
  errno = error;
}

// One small page each, and a hole around it, collapse into a huge one that is cleared once; a file all
// allocated before would be cleared, and copied. All at once, since each call first has every processor say
// what pages it is about to note. The kernel may look long for memory in one piece, and stops where there is
// none.
void Mapping::take_huge_pages(int file, std::span<std::byte> part) {
  const auto offset = static_cast<std::size_t>(part.data() - base_);
  const std::size_t begin = align_up(offset, huge_page_bytes);
  const std::size_t end = (offset + part.size()) / huge_page_bytes * huge_page_bytes;
  if (begin >= end || !huge_pages_) return;
  for (std::size_t at = begin; at < end; at += huge_page_bytes) {
    if (::fallocate(file, 0, static_cast<off_t>(at), page_bytes) != 0) return;
  }
  huge_pages_ = ::madvise(base_ + begin, end - begin, collapse) == 0 || errno == EAGAIN;
}

void Mapping::about_to_write(std::span<std::byte> part) const {
  ::madvise(part.data(), part.size(), populate_write);
}

}  // namespace copper
