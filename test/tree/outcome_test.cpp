// Freshness: sums that cannot overflow.
#include "tree/outcome.h"

#include <catch2/catch.hpp>

namespace copper {
using namespace std::chrono_literals;

TEST_CASE("fresh for the job stays so across levels") {
  const Instant now{5s};
  CHECK(after(now, for_the_job) == Instant::max());
  CHECK(left(Instant::max(), now) == for_the_job);
}

TEST_CASE("what is left of a time never is negative, and never more than there was") {
  const Instant now{5s};
  CHECK(left(after(now, 2s), now + 500ms) == 1500ms);
  CHECK(left(after(now, 2s), now + 3s) == 0s);
  CHECK(after(now, for_the_job - 1s) == Instant::max());
}

TEST_CASE("an outcome is fresh before its time, not at it") {
  const Outcome outcome{Errno{ENOENT}, 0, Instant{1s}};
  CHECK(outcome.fresh(Instant{999ms}));
  CHECK_FALSE(outcome.fresh(Instant{1s}));
}

TEST_CASE("only the errors that name an absence are remembered") {
  CHECK(remembered(Errno{ENOENT}));
  CHECK(remembered(Errno{ENOTDIR}));
  for (const int error : {EIO, ESTALE, EACCES, ELOOP, ENOMEM}) CHECK_FALSE(remembered(Errno{error}));
}

}  // namespace copper
