// A FIFO that nobody reads stands for a file on storage that hangs.
#include "service/log_sink.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>

namespace copper {
namespace {

struct Fifo {
  Fifo() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    out = FileDescriptor(ends[0]);
    in = FileDescriptor(ends[1]);
  }
  // All that was written until the last writer closed it.
  std::string rest() {
    std::string text;
    std::array<char, 4096> piece;
    for (ssize_t got = 0; (got = ::read(out.get(), piece.data(), piece.size())) > 0;)
      text.append(piece.data(), static_cast<std::size_t>(got));
    return text;
  }
  FileDescriptor out;
  FileDescriptor in;
};

void say(LogSink& sink, const std::string& line) {
  sink.log(spdlog::details::log_msg("log_sink_test", spdlog::level::info, line));
}

}  // namespace

TEST_CASE("what was said is written when it is flushed, in order") {
  Fifo fifo;
  {
    LogSink sink(std::move(fifo.in));
    sink.set_pattern("%v");
    for (const auto* line : {"one", "two", "three"}) say(sink, line);
  }
  CHECK(fifo.rest() == "one\ntwo\nthree\n");
}

TEST_CASE("nobody waits for a log that hangs; what it has no room for is dropped, and counted") {
  Fifo fifo;
  std::string text;
  std::thread reader;
  {
    LogSink sink(std::move(fifo.in));
    sink.set_pattern("%v");
    const std::string long_line(1 << 17, 'x');  // longer than the FIFO
    const auto began = std::chrono::steady_clock::now();
    for (std::size_t n = 0; n < LogSink::lines_max + 7; ++n) say(sink, n == 0 ? long_line : "short");
    sink.flush();
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds{5});
    reader = std::thread([&] { text = fifo.rest(); });
    sink.flush();
    say(sink, "again");
  }
  reader.join();
  CHECK(text.ends_with("short\n7 lines were dropped: the log could not be written\nagain\n"));
}

TEST_CASE("a process that was forked writes what it says itself") {
  Fifo fifo;
  {
    LogSink sink(std::move(fifo.in));
    sink.set_pattern("%v");
    say(sink, "parent");
    sink.flush();
    const auto child = ::fork();
    if (child == 0) {
      say(sink, "child");
      sink.flush();
      ::_exit(0);
    }
    int status = 1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(fifo.rest() == "parent\nchild\n");
}

}  // namespace copper
