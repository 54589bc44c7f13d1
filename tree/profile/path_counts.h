// What was asked for, path by path, for the paths that are asked for most: Space-Saving (Metwally, Agrawal,
// El Abbadi 2005) over a bounded number of them. While there is room each path has its exact counts. Beyond,
// the least counted one gives way to a new one, which inherits its rank but not its counts: so what is
// counted is never too high, and a path that makes up more than one in `bound` of all that is counted is
// among them. Pure; each count costs a constant time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "tree/key.h"

namespace copper {

// The blocks of a file, or of a listing, count as one.
struct AskedPath {
  Kind kind{};
  Path path;
  friend bool operator==(const AskedPath&, const AskedPath&) = default;
};
struct AskedPathHash {
  std::size_t operator()(const AskedPath& asked) const noexcept {
    return asked.path.hash() * 31 + static_cast<std::size_t>(asked.kind);
  }
};

struct PathCount {
  std::uint64_t asks = 0;    // of this node's front end
  std::uint64_t hits = 0;    // of them from the rank's cache
  std::uint64_t loads = 0;   // asked of storage, by whoever
  std::uint64_t bytes = 0;   // loaded
  std::uint64_t absent = 0;  // answers ENOENT

  void add(const PathCount& other) {
    asks += other.asks;
    hits += other.hits;
    loads += other.loads;
    bytes += other.bytes;
    absent += other.absent;
  }
  std::uint64_t weight() const { return asks + loads; }
  friend bool operator==(const PathCount&, const PathCount&) = default;
};

// A path's row. Order: the most asked first, then the most loaded, then by name.
struct CountedPath {
  AskedPath asked;
  PathCount count;
  friend bool operator==(const CountedPath&, const CountedPath&) = default;
};
bool before(const CountedPath& a, const CountedPath& b);

class PathCounts {
 public:
  explicit PathCounts(std::size_t bound) : bound_(bound) {}  // 0: nothing is counted
  PathCounts(PathCounts&&) = default;
  PathCounts(const PathCounts&) = delete;  // the index points into the lists

  // One event of the key's path; of the counts only `bytes` and `absent` may come alone.
  void add(const Key& key, const PathCount& event);

  std::vector<CountedPath> all() const;  // in no order
  // Paths that gave way. 0: everything is exact.
  std::uint64_t left_out() const { return left_out_; }

 private:
  struct Bucket;
  struct Item {
    CountedPath counted;
    std::list<Bucket>::iterator bucket;
  };
  struct Bucket {  // those of one weight, inherited weight included
    std::uint64_t weight = 0;
    std::list<Item> items;  // longest there first
  };
  using Place = std::list<Item>::iterator;

  Place enter(const AskedPath& asked);
  void raise(Place place, std::uint64_t by);

  std::size_t bound_;
  std::list<Bucket> buckets_;  // lightest first
  std::unordered_map<AskedPath, Place, AskedPathHash> index_;
  std::uint64_t left_out_ = 0;
};

}  // namespace copper
