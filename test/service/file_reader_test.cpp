// Blocks and versions, asked through the storage port.
#include "service/storage/file_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "test/service/scratch.h"
#include "test/service/storage_harness.h"
#include "tree/limits.h"

namespace copper {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t B = limits::block_bytes;

std::string pattern(std::size_t size, char first = 'a') {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i)
    text[i] = static_cast<char>(first + static_cast<char>((i / 7 + i / B) % 23));
  return text;
}

}  // namespace

TEST_CASE("a file is read block by block, and a block it has not is refused") {
  const Scratch scratch(Scratch::disk);
  StorageHarness storage;
  const auto text = pattern(2 * B + 100);
  const auto path = scratch.write("file", text);
  const auto version = storage.version(path);
  CHECK(storage.block(path, 0, version) == text.substr(0, B));
  CHECK(storage.block(path, 2, version) == text.substr(2 * B));
  CHECK(storage.block(path, 1, version) == text.substr(B, B));
  CHECK(storage.error(Key::file_block(path, 3, version)) == Errno{EINVAL});
  const auto empty = scratch.write("empty", "");
  CHECK(storage.error(Key::file_block(empty, 0, storage.version(empty))) == Errno{EINVAL});
  const auto exact = scratch.write("exact", pattern(B));
  CHECK(storage.block(exact, 0, storage.version(exact)).size() == B);
  CHECK(storage.error(Key::file_block(exact, 1, storage.version(exact))) == Errno{EINVAL});

  const auto old = storage.ask(Key::file_block("/usr/bin/env", 0, storage.version("/usr/bin/env")));
  CHECK(old.fresh_for == for_the_job);
}

TEST_CASE("bytes of another version are never given") {
  const Scratch scratch(Scratch::disk);
  StorageHarness storage;
  const auto text = pattern(2 * B);
  const auto path = scratch.write("file", text);
  const auto version = storage.version(path);
  const bool begun = GENERATE(false, true);  // a descriptor is kept
  if (begun) REQUIRE(storage.block(path, 0, version) == text.substr(0, B));
  const auto key = Key::file_block(path, 1, version);
  SECTION("changed in place") {
    ::usleep(20'000);  // storage's clock ticks
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    REQUIRE(::pwrite(fd, "xyz", 3, B + 5) == 3);
    ::close(fd);
    CHECK(storage.error(key) == Errno{ESTALE});
    CHECK(storage.block(path, 1, storage.version(path)).substr(5, 3) == "xyz");
  }
  SECTION("truncated") {
    REQUIRE(::truncate(path.c_str(), B + 10) == 0);
    CHECK(storage.error(key) == Errno{ESTALE});
    CHECK(storage.block(path, 1, storage.version(path)).size() == 10);
  }
  SECTION("replaced by rename") {
    scratch.write("next", pattern(2 * B, 'A'));
    fs::rename(scratch / "next", path);
    if (begun) {
      CHECK(storage.block(path, 1, version) == text.substr(B));
    } else {
      CHECK(storage.error(key) == Errno{ESTALE});
    }
    CHECK(storage.block(path, 1, storage.version(path)) == pattern(2 * B, 'A').substr(B));
  }
  SECTION("deleted") {
    fs::remove(path);
    if (begun) {
      CHECK(storage.block(path, 1, version) == text.substr(B));
    } else {
      CHECK(storage.error(key) == Errno{ESTALE});
    }
    CHECK(storage.error(Key::entry(path)) == Errno{ENOENT});
  }
  SECTION("deleted, but for a hard link") {
    fs::create_hard_link(path, scratch / "other");
    const auto linked = storage.version(path);
    if (begun) REQUIRE(storage.block(path, 0, linked) == text.substr(0, B));
    fs::remove(path);
    if (begun) {
      CHECK(storage.block(path, 1, linked) == text.substr(B));
    } else {
      CHECK(storage.error(Key::file_block(path, 1, linked)) == Errno{ESTALE});
    }
  }
  SECTION("deleted, then rewritten through another name") {
    fs::create_hard_link(path, scratch / "other");
    const auto linked = storage.version(path);
    REQUIRE(storage.block(path, 0, linked) == text.substr(0, B));
    fs::remove(path);
    ::usleep(20'000);
    scratch.write("other", pattern(2 * B, 'A'));
    CHECK(storage.error(Key::file_block(path, 1, linked)) == Errno{ESTALE});
  }
  SECTION("followed by something else of that name") {
    fs::remove(path);
    fs::create_directory(path);
    if (!begun) CHECK(storage.error(key) == Errno{ESTALE});
  }
}

TEST_CASE("only so many descriptors are kept, the least recently used go") {
  const Scratch scratch(Scratch::disk);
  StorageHarness storage({.descriptors_kept = 1});
  const auto text = pattern(2 * B);
  const auto a = scratch.write("a", text);
  const auto b = scratch.write("b", text);
  const auto version_a = storage.version(a);
  const auto version_b = storage.version(b);
  storage.block(a, 0, version_a);
  storage.block(b, 0, version_b);
  fs::remove(a);
  fs::remove(b);
  CHECK(storage.error(Key::file_block(a, 1, version_a)) == Errno{ESTALE});
  CHECK(storage.block(b, 1, version_b) == text.substr(B));
}

TEST_CASE("what is no regular file is never opened") {
  const Scratch scratch(Scratch::disk);
  StorageHarness storage;
  const auto fifo = scratch.at("fifo");
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  for (const auto& path : {fifo, scratch.path().native()}) {
    auto version = storage.version(path);
    if (version.size == 0) continue;  // has no block anyhow
    CHECK(storage.error(Key::file_block(path, 0, version)) == Errno{EINVAL});
  }
  auto version = storage.version(fifo);
  version.size = 10;
  CHECK(storage.error(Key::file_block(fifo, 0, version)) == Errno{ESTALE});
}

}  // namespace copper
