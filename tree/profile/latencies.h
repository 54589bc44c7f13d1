// How long operations of one kind took, by powers of two of a microsecond: additive, so the sum over ranks is
// the job's. Plain integers.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace copper {

struct Latencies {
  // Bucket b holds what took more than 2^(b-1) and at most 2^b us (the first one: at most 1 us); the last one
  // what took longer than all of them.
  static constexpr std::size_t bounded = 26;  // up to 2^25 us, half a minute
  static constexpr std::size_t buckets = bounded + 1;

  static constexpr std::size_t bucket_of(std::uint64_t us) {
    return us <= 1 ? 0 : std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(us - 1)), bounded);
  }
  static constexpr std::uint64_t bound_of(std::size_t bucket) { return std::uint64_t{1} << bucket; }

  std::uint64_t errors = 0;  // of them
  std::uint64_t bytes = 0;
  std::uint64_t total_us = 0;
  std::uint64_t max_us = 0;
  std::array<std::uint64_t, buckets> took{};

  void add(std::uint64_t us, std::uint64_t payload = 0, bool failed = false) {
    ++took[bucket_of(us)];
    errors += failed ? 1 : 0;
    bytes += payload;
    total_us += us;
    max_us = std::max(max_us, us);
  }
  void add(const Latencies& other) {
    errors += other.errors;
    bytes += other.bytes;
    total_us += other.total_us;
    max_us = std::max(max_us, other.max_us);
    for (std::size_t b = 0; b < buckets; ++b) took[b] += other.took[b];
  }

  std::uint64_t count() const {
    std::uint64_t sum = 0;
    for (const auto n : took) sum += n;
    return sum;
  }
  // At least `percent` of them took at most this long: the bound of a bucket, or the longest of all. 0 where
  // there were none.
  std::uint64_t percentile(std::uint64_t percent) const {
    const auto all = count();
    const auto wanted = (all * percent + 99) / 100;
    std::uint64_t sum = 0;
    for (std::size_t b = 0; b < bounded && all > 0; ++b)
      if ((sum += took[b]) >= wanted) return std::min(bound_of(b), max_us);
    return max_us;
  }

  friend bool operator==(const Latencies&, const Latencies&) = default;
};

}  // namespace copper
