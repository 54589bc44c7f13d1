// What a rank did, second by second since it began: additive over ranks. Bounded: when the rows are full each
// takes twice the time, so that a long job is seen whole, and more coarsely. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace copper {

struct Activity {
  std::uint64_t storage_reads = 0;
  std::uint64_t storage_bytes = 0;
  std::uint64_t front_end_operations = 0;
  std::uint64_t client_asks = 0;
  std::uint64_t client_hits = 0;

  void add(const Activity& other) {
    storage_reads += other.storage_reads;
    storage_bytes += other.storage_bytes;
    front_end_operations += other.front_end_operations;
    client_asks += other.client_asks;
    client_hits += other.client_hits;
  }
  friend Activity operator-(Activity a, const Activity& b) {
    a.storage_reads -= b.storage_reads;
    a.storage_bytes -= b.storage_bytes;
    a.front_end_operations -= b.front_end_operations;
    a.client_asks -= b.client_asks;
    a.client_hits -= b.client_hits;
    return a;
  }
  friend bool operator==(const Activity&, const Activity&) = default;
};

class Activities {
 public:
  static constexpr std::size_t rows_max = 512;

  void add(std::uint64_t second, const Activity& activity);
  void add(const Activities& other);
  // The rows from now on take a power of two of seconds, at least as many as now.
  void widen(std::uint64_t seconds);

  std::uint64_t width() const { return width_; }  // of a row, in seconds
  const std::vector<Activity>& rows() const { return rows_; }

  friend bool operator==(const Activities&, const Activities&) = default;

 private:
  std::uint64_t width_ = 1;
  std::vector<Activity> rows_;  // row i: seconds [i * width, (i + 1) * width)
};

}  // namespace copper
