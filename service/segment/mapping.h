// An owned shared mapping of a file: unmapped once, moved, never copied. It begins on the boundary of a huge
// page, so that huge pages of the file can be mapped as such.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <span>
#include <utility>

namespace copper {

class Mapping {
 public:
  Mapping() = default;
  // The file's first `bytes`; no memory is set aside for holes. Empty, with errno, where that cannot be.
  Mapping(int file, std::size_t bytes);
  Mapping(Mapping&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)), bytes_(other.bytes_), huge_pages_(other.huge_pages_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(bytes_, other.bytes_);
    std::swap(huge_pages_, other.huge_pages_);
    return *this;
  }
  ~Mapping() {
    if (base_ != nullptr) ::munmap(base_, bytes_);
  }

  // A part of it, of whole pages. Pages that could be written to may cost three times as much to touch first.
  void only_to_read(std::span<std::byte> part) const { ::mprotect(part.data(), part.size(), PROT_READ); }

  // Backs a part of it, a hole until now, with huge pages where it covers them: for one page in 512 who
  // touches it, checks it or copies it to another process then pays. Linux 6.1, whatever `shmem_enabled` is
  // in /sys/kernel/mm/transparent_hugepage but `deny`; before, and from when there has been no memory in one
  // piece on, nothing is done.
  void take_huge_pages(int file, std::span<std::byte> part);

  // A part of it, of whole pages: they are mapped at once, in half the time of one by one as they are
  // written. Needs Linux 5.14; before, one by one it is.
  void about_to_write(std::span<std::byte> part) const;

  explicit operator bool() const { return base_ != nullptr; }
  std::byte* data() const { return base_; }

 private:
  std::byte* base_ = nullptr;
  std::size_t bytes_ = 0;
  bool huge_pages_ = true;  // are worth a try
};

}  // namespace copper
