// Another process: a forked child.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>

namespace copper {

// A child process that runs `body` after it has said that it is ready.
class Child {
 public:
  template <class Body>
  explicit Child(Body body) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      std::signal(SIGTERM, SIG_DFL);  // Catch has a handler for it
      int status = 1;
      try {
        status = body([&] { return ::write(ends[1], "r", 1) == 1; });
      } catch (...) {
      }
      ::_exit(status);
    }
    ::close(ends[1]);
    char ready = 0;
    CHECK(::read(ends[0], &ready, 1) == 1);
    ::close(ends[0]);
  }
  int wait() const {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    return status;
  }

 private:
  pid_t pid_ = -1;
};

}  // namespace copper
