// An owned shared mapping of a file: unmapped once, moved, never copied.
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
  Mapping(int file, std::size_t bytes) : bytes_(bytes) {
    void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    if (base != MAP_FAILED) base_ = static_cast<std::byte*>(base);
  }
  Mapping(Mapping&& other) noexcept : base_(std::exchange(other.base_, nullptr)), bytes_(other.bytes_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping() {
    if (base_ != nullptr) ::munmap(base_, bytes_);
  }

  // A part of it, of whole pages. Pages that could be written to may cost three times as much to touch first.
  void only_to_read(std::span<std::byte> part) const { ::mprotect(part.data(), part.size(), PROT_READ); }

  // A part of it, of whole pages: they are mapped at once, in half the time of one by one as they are
  // written. Needs Linux 5.14; before, one by one it is.
  void about_to_write(std::span<std::byte> part) const {
    constexpr int populate_write = 23;  // MADV_POPULATE_WRITE, which older C libraries do not name
    ::madvise(part.data(), part.size(), populate_write);
  }

  explicit operator bool() const { return base_ != nullptr; }
  std::byte* data() const { return base_; }

 private:
  std::byte* base_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace copper
