// A segment whose owner lives: it is asked to end, or made to, and what it leaves is taken over.
#include <sys/prctl.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "service/segment/segment.h"
#include "test/service/child.h"
#include "test/service/scratch.h"

namespace copper {
namespace {

using std::chrono::milliseconds;

Segment own(const Scratch& scratch, milliseconds patience = milliseconds(0)) {
  return Segment::own({.stem = scratch / "node0", .lanes = 2, .arena_bytes = std::size_t{1} << 20}, patience);
}

volatile std::sig_atomic_t asked_to_end = 0;

// A copper_service that does one thing more when it is asked to end: a child's body.
template <class Last>
auto owner_until_asked(const Scratch& scratch, Last last) {
  return [&scratch, last](auto ready) {
    ::prctl(PR_SET_NAME, "copper_service");
    auto segment = own(scratch);
    sigset_t terminate;
    sigset_t before;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    sigprocmask(SIG_BLOCK, &terminate, &before);
    std::signal(SIGTERM, [](int) { asked_to_end = 1; });
    ready();
    while (asked_to_end == 0) sigsuspend(&before);
    return last(segment) ? 0 : 1;
  };
}

}  // namespace

TEST_CASE("a former copper_service is asked to end, and the segment taken over from it") {
  const Scratch scratch;
  const Child former([&](auto ready) {
    ::prctl(PR_SET_NAME, "copper_service");
    const auto segment = own(scratch);
    ready();
    for (;;) ::pause();
    return 0;
  });
  const auto segment = own(scratch, milliseconds(5000));
  CHECK(segment.header().service_generation == 2);
  const int status = former.wait();
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGTERM);
}

TEST_CASE("a stopped copper_service, which hears no SIGTERM, is killed") {
  const Scratch scratch;
  const Child former([&](auto ready) {
    ::prctl(PR_SET_NAME, "copper_service");
    const auto segment = own(scratch);
    std::signal(SIGTERM, SIG_IGN);
    ready();
    ::raise(SIGSTOP);
    return 0;
  });
  const auto segment = own(scratch, milliseconds(2000));
  const int status = former.wait();
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGKILL);
}

TEST_CASE("what a former owner adds while it is asked to end is known") {
  const Scratch scratch;
  const Child former(owner_until_asked(scratch, [](Segment& segment) { return segment.commit_arena(8192); }));
  const auto segment = own(scratch, milliseconds(5000));
  CHECK(former.wait() == 0);
  CHECK(segment.arena_committed() == 8192);
}

TEST_CASE("an owner that takes its files along when it ends is followed by a new segment") {
  const Scratch scratch;
  const Child former(owner_until_asked(scratch, [](Segment& segment) {
    segment.unlink_files();
    return true;
  }));
  const auto segment = own(scratch, milliseconds(5000));
  CHECK(segment.header().service_generation == 1);
  CHECK(std::filesystem::exists(scratch / "node0.segment"));
  CHECK(std::filesystem::exists(scratch / "node0.bell.1"));
  CHECK(former.wait() == 0);
}

}  // namespace copper
