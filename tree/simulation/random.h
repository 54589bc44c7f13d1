// Numbers that one seed decides, the same on every machine (the standard library's distributions are not).
#pragma once

#include <cstdint>

#include "tree/outcome.h"

namespace copper::simulation {

// splitmix64 (Steele, Lea, Flood 2014).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e37'79b9'7f4a'7c15;
    z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
    return z ^ z >> 31;
  }
  std::uint64_t below(std::uint64_t n) { return next() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  std::uint32_t between(std::uint32_t first, std::uint32_t last) {
    return static_cast<std::uint32_t>(first + below(std::uint64_t{last} - first + 1));
  }
  Duration between(Duration shortest, Duration longest) {
    return shortest + Duration(below(static_cast<std::uint64_t>((longest - shortest).count()) + 1));
  }

 private:
  std::uint64_t state_;
};

}  // namespace copper::simulation
