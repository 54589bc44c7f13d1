// A parallel file system as two queues, one for metadata and one for data, that serve so many operations (and
// bytes) a second in all, whoever asks; each client besides has so many operations under way at a time and so
// many bytes a second. Asked in the order of time. An operation is done when its client and the file system
// have both got through what came before it, and then its own latency has passed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tree/simulation/machine/profile.h"

namespace copper::simulation {

// One server, first come first served.
class Queue {
 public:
  // Work that comes now is done at:
  Instant serve(Instant now, Duration work) { return free_ = std::max(free_, now) + work; }
  // It has been transmitted to us up to now, and we take it in meanwhile, unless we are busy with other work.
  Instant overlap(Instant now, Duration work) { return free_ = std::max(now, free_ + work); }
  Instant free() const { return free_; }

 private:
  Instant free_{};
};

class StorageQueues {
 public:
  StorageQueues(const StorageProfile& profile, std::uint32_t clients);

  // So many metadata operations of a client, as many at a time as it may: when the last is answered. One at
  // least.
  Instant metadata(std::uint32_t client, Instant now, std::uint64_t operations);
  // One read of so many bytes.
  Instant data(std::uint32_t client, Instant now, std::uint64_t bytes);

  std::uint64_t operations() const { return operations_; }
  std::uint64_t bytes() const { return bytes_; }
  // Most that came within a second, counted from whole second to whole second.
  std::uint64_t busiest_second() const { return std::max(busiest_second_, this_second_); }

 private:
  struct Client {
    Queue operations;  // how fast it can start them
    Queue bytes;
  };
  void count(Instant now, std::uint64_t operations);

  StorageProfile profile_;
  Queue metadata_;
  Queue data_;
  std::vector<Client> clients_;
  std::uint64_t operations_ = 0;
  std::uint64_t bytes_ = 0;
  Instant second_{};  // began then
  std::uint64_t this_second_ = 0;
  std::uint64_t busiest_second_ = 0;
};

}  // namespace copper::simulation
