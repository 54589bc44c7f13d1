// Integers as bytes, little-endian and of fixed width, and back: what every message and every portion of a
// profile is made of. The reader believes nothing: any failure sticks, and ok() tells at the end whether
// everything was there and allowed.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace copper {

class WireWriter {
 public:
  explicit WireWriter(std::vector<std::byte>& out) : out_(out) {}

  template <std::integral T>
  void put(T value) {
    auto bits = static_cast<std::make_unsigned_t<T>>(value);
    for (std::size_t i = 0; i < sizeof(T); ++i) out_.push_back(static_cast<std::byte>(bits >> 8 * i));
  }
  void put(std::span<const std::byte> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void put(std::string_view text) { put(std::as_bytes(std::span(text))); }

 private:
  std::vector<std::byte>& out_;
};

class WireReader {
 public:
  explicit WireReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool ok() const { return good_; }
  bool at_end() const { return good_ && rest_.empty(); }
  std::size_t left() const { return rest_.size(); }
  void demand(bool condition) { good_ = good_ && condition; }

  template <std::integral T>
  T get() {
    std::make_unsigned_t<T> bits = 0;
    const auto bytes = take(sizeof(T));
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bits = static_cast<std::make_unsigned_t<T>>(bits | std::to_integer<std::make_unsigned_t<T>>(bytes[i])
                                                             << 8 * i);
    return static_cast<T>(bits);
  }
  // Nothing where there is less.
  std::span<const std::byte> take(std::size_t size) {
    demand(size <= rest_.size());
    if (!good_) return {};
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  std::string_view take_text(std::size_t size) {
    const auto bytes = take(size);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::span<const std::byte> rest_;
  bool good_ = true;
};

}  // namespace copper
