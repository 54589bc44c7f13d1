// The latest sweeps of directories whose listings take several blocks, so that a reader gets all blocks of
// one edition. Bounded by bytes, least recently used first; the latest one is always kept. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace copper {

// All blocks of one listing.
using Edition = std::shared_ptr<const std::vector<std::vector<std::byte>>>;

class Editions {
 public:
  explicit Editions(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  void put(const std::string& path, std::uint64_t number, Edition edition);
  Edition find(const std::string& path, std::uint64_t number);  // null: not kept

 private:
  struct Kept {
    std::string path;
    std::uint64_t number = 0;
    Edition edition;
    std::size_t bytes = 0;
  };
  std::list<Kept>::iterator position(const std::string& path, std::uint64_t number);

  const std::size_t bytes_max_;
  std::mutex mutex_;      // guards what follows
  std::list<Kept> kept_;  // most recently used first; few, each of a megabyte or more
  std::size_t bytes_ = 0;
};

}  // namespace copper
