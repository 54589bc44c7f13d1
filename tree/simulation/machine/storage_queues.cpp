#include "tree/simulation/machine/storage_queues.h"

#include <algorithm>

#include "tree/assert.h"

namespace copper::simulation {
namespace {

Duration seconds(double s) { return microseconds(s * 1e6); }

}  // namespace

StorageQueues::StorageQueues(const StorageProfile& profile, std::uint32_t clients)
    : profile_(profile), clients_(clients) {}

Instant StorageQueues::metadata(std::uint32_t client, Instant now, std::uint64_t operations) {
  ensure(operations > 0, "an operation is at least one");
  count(now, operations);
  const auto count = static_cast<double>(operations);
  const auto served = metadata_.serve(now, seconds(count / profile_.metadata_per_s));
  const auto gap_us = profile_.metadata_us / profile_.client_operations;
  const auto started =
      clients_[client].operations.serve(now, microseconds(gap_us * count)) - microseconds(gap_us);
  return std::max(served, started) + microseconds(profile_.metadata_us);
}

Instant StorageQueues::data(std::uint32_t client, Instant now, std::uint64_t bytes) {
  count(now, 1);
  bytes_ += bytes;
  const auto count = static_cast<double>(bytes);
  const auto served =
      data_.serve(now, seconds(std::max(1 / profile_.reads_per_s, count / (profile_.gb_per_s * 1e9))));
  const auto gap = microseconds(profile_.data_us / profile_.client_operations);
  const auto started = clients_[client].operations.serve(now, gap) - gap;
  const auto taken = clients_[client].bytes.serve(now, seconds(count / (profile_.client_gb_per_s * 1e9)));
  return std::max({served, started, taken}) + microseconds(profile_.data_us);
}

void StorageQueues::count(Instant now, std::uint64_t operations) {
  operations_ += operations;
  if (now >= second_ + std::chrono::seconds{1}) {
    busiest_second_ = busiest_second();
    this_second_ = 0;
    second_ = std::chrono::floor<std::chrono::seconds>(now);
  }
  this_second_ += operations;
}

}  // namespace copper::simulation
