// An owned shared mapping of a file: unmapped once, moved, never copied.
#pragma once

#include <sys/mman.h>

#include <cstddef>
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

  explicit operator bool() const { return base_ != nullptr; }
  std::byte* data() const { return base_; }

 private:
  std::byte* base_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace copper
