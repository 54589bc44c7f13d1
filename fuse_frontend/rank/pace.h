// So many times a second, on the average: a token bucket (Turner, "New directions in communications", 1986)
// that may be overdrawn, for what is known to have cost only when it is done. Pure; one thread.
#pragma once

#include <algorithm>

#include "tree/outcome.h"

namespace copper {

class Pace {
 public:
  // At most `burst` tokens are saved up. `first`, from 0 to 1: which part of the burst there is to begin
  // with; where many begin at the same moment, each takes another.
  Pace(double per_second, double burst, double first, Instant now)
      : per_second_(per_second), burst_(std::max(burst, 1.0)), tokens_(burst_ * first), at_(now) {}

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

}  // namespace copper
