// So many times a second, on the average: a token bucket (Turner, "New directions in communications", 1986)
// that may be overdrawn, since what costs several tokens begins as soon as there is one. And the pace at
// which front ends read storage without a rank. Pure; one thread.
#pragma once

#include <algorithm>

#include "tree/key.h"
#include "tree/outcome.h"

namespace copper {

class Pace {
 public:
  // At most `burst` tokens are saved up; there are `tokens` to begin with, perhaps fewer than none.
  Pace(double per_second, double burst, double tokens, Instant now)
      : per_second_(per_second), burst_(std::max(burst, 1.0)), tokens_(std::min(tokens, burst_)), at_(now) {}

  bool may(Instant now) {
    fill(now);
    return tokens_ > whole;
  }
  void costs(double tokens, Instant now) {
    fill(now);
    tokens_ -= tokens;
  }
  // When may() holds again.
  Instant due(Instant now) {
    fill(now);
    if (tokens_ > whole) return now;
    const std::chrono::duration<double> wait{(1 - tokens_) / per_second_};
    return at_ + std::chrono::ceil<Duration>(wait);
  }

 private:
  static constexpr double whole = 1 - 1e-6;  // of a token, as exactly as sums of parts are

  void fill(Instant now) {
    const double seconds = std::chrono::duration<double>(now - at_).count();
    tokens_ = std::min(burst_, tokens_ + std::max(seconds, 0.0) * per_second_);
    at_ = std::max(at_, now);
  }

  double per_second_;
  double burst_;
  double tokens_;
  Instant at_;
};

// All front ends of a job together, while no rank answers them; but each node so many where that is more.
inline constexpr double direct_per_second = 20'000;  // operations of storage
inline constexpr double direct_per_second_and_node = 5;

// What one read of storage without a rank asks of it, in operations: what is opened is looked at, read and
// looked at again. No attributes ride along with a listing then.
inline constexpr unsigned looks_per_read = 4;
inline unsigned direct_operations(Kind kind) {
  return kind == Kind::listing || kind == Kind::block ? looks_per_read : 1;
}

// The pace of one of `shares` that read at the same time, in operations. Where many begin at the same moment
// each has another `chance`, from 0 to 1: they are spread over the time that one of their reads takes at that
// pace, and stay so.
inline Pace direct_pace(double per_second, double shares, double chance, Instant now) {
  constexpr double saved_seconds = 0.1;
  const auto rate = std::max(per_second / shares, direct_per_second_and_node);
  const auto burst = std::max(rate * saved_seconds, 1.0);
  return {rate, burst, burst - chance * (burst + looks_per_read - 1), now};
}

}  // namespace copper
