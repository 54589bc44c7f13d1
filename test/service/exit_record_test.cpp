// What a rank leaves behind as it ends the service, also where a file system is full or hangs.
#include "service/exit_record.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <iterator>

#include "test/service/child.h"
#include "test/service/scratch.h"

namespace copper {
namespace {

using namespace std::chrono_literals;

}  // namespace

TEST_CASE("an exit record says who is silent") {
  const Scratch scratch;
  REQUIRE(write_exit_record(scratch.path(), 2, "nid1", {"nid3", "nid4"}).get());
  std::ifstream in(scratch / "exit_record.2.nid1");
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == "silent nid3\nsilent nid4\n");
  CHECK(std::distance(std::filesystem::directory_iterator(scratch.path()), {}) == 1);
}

TEST_CASE("where there is no room for what it says, it is there all the same") {
  const Scratch scratch;
  const Child full([&](auto ready) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit none{0, 0};
    ready();
    return ::setrlimit(RLIMIT_FSIZE, &none) == 0 &&
                   write_exit_record(scratch.path(), 0, "nid1", {"nid3"}).get()
               ? 0
               : 1;
  });
  CHECK(full.wait() == 0);
  CHECK(std::filesystem::file_size(scratch / "exit_record.0.nid1") == 0);
}

TEST_CASE("a file system that hangs is not waited for") {
  const Scratch scratch;
  REQUIRE(::mkfifo((scratch / "new_exit_record.0.nid1").c_str(), 0600) == 0);  // nobody reads it
  const auto written = write_exit_record(scratch.path(), 0, "nid1", {"nid3"});
  CHECK(written.wait_for(10ms) == std::future_status::timeout);
  CHECK(!write_exit_record(scratch / "not_there", 0, "nid1", {"nid3"}).get());
}

}  // namespace copper
