// What fuzz targets share: the input, taken apart from front to back, and a condition that must hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

// One run with these bytes; 0. Called by libFuzzer, or by replay.cpp.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace copper {

// A lack of bytes reads as zeros, so that each input means something.
class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size) : rest_(std::as_bytes(std::span(data, size))) {}

  bool empty() const { return rest_.empty(); }
  std::span<const std::byte> bytes(std::size_t size) {
    const auto taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  std::span<const std::byte> rest() { return bytes(rest_.size()); }
  std::string_view text(std::size_t size) {
    const auto taken = bytes(size);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  // As it lies in memory.
  template <class T>
  T take() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    const auto taken = bytes(sizeof value);
    if (!taken.empty()) std::memcpy(static_cast<void*>(&value), taken.data(), taken.size());
    return value;
  }
  std::uint8_t byte() { return take<std::uint8_t>(); }

 private:
  std::span<const std::byte> rest_;
};

inline void must(bool condition, const char* sentence) {
  if (condition) return;
  std::fprintf(stderr, "fuzz: broken: %s\n", sentence);
  std::abort();
}

// Reads all of it, for the sanitizer to see.
inline void touch(std::span<const std::byte> bytes) {
  unsigned sum = 0;
  for (const auto byte : bytes) sum += std::to_integer<unsigned>(byte);
  [[maybe_unused]] volatile unsigned seen = sum;
}

}  // namespace copper
