// Whether the rank lives, by the sign of life that it shows in the segment. A silence counts only as far as
// somebody was there to hear it: where the whole machine stood still, or the lane slept, the rank gets its
// time after that. One thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "tree/outcome.h"

namespace copper {

class SignsOfLife {
 public:
  static constexpr auto look_period = std::chrono::milliseconds{100};  // while an answer is outstanding

  // Is it not silent for too long, with this sign now?
  bool look(std::uint64_t sign, Instant now) {
    const auto since = std::min<Duration>(now - last_look_, 2 * look_period);
    silence_ = sign == last_sign_ ? silence_ + since : Duration{};
    last_sign_ = sign;
    last_look_ = now;
    return silence_ < dead_after;
  }

 private:
  static constexpr auto dead_after = std::chrono::seconds{2};  // without a turn of the rank

  std::uint64_t last_sign_ = 0;
  Instant last_look_{};
  Duration silence_{};  // for how long it has been the same
};

}  // namespace copper
