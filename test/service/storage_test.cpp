// The storage port over a directory on disk: every kind of key, freshness, and what is not shared.
#include "service/storage/storage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "test/service/scratch.h"
#include "test/service/storage_harness.h"
#include "tree/limits.h"

namespace copper {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t B = limits::block_bytes;

// The parts of stat that the mount shows, by stat itself.
void check_as_stat(const Attributes& attributes, const std::string& path) {
  struct stat st {};
  REQUIRE(::lstat(path.c_str(), &st) == 0);
  CHECK(attributes.mode == st.st_mode);
  CHECK(attributes.size == static_cast<std::uint64_t>(st.st_size));
  CHECK(attributes.nlink == st.st_nlink);
  CHECK(attributes.uid == st.st_uid);
  CHECK(attributes.gid == st.st_gid);
  CHECK(attributes.blocks == static_cast<std::uint64_t>(st.st_blocks));
  CHECK(attributes.rdev == st.st_rdev);
  CHECK(attributes.mtime_ns == st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec);
  CHECK(attributes.ctime_ns == st.st_ctim.tv_sec * 1'000'000'000 + st.st_ctim.tv_nsec);
}

}  // namespace

TEST_CASE("an entry is what lstat says, and its errors are storage's own") {
  const Scratch scratch(Scratch::disk);
  StorageHarness storage;
  scratch.write("file", "hello");
  fs::create_directory(scratch / "dir");
  fs::create_symlink("some/where", scratch / "link");
  REQUIRE(::mkfifo(scratch.at("fifo").c_str(), 0600) == 0);
  for (const auto* name : {"file", "dir", "link", "fifo"}) {
    const auto loaded = storage.ask(Key::entry(scratch.at(name)));
    REQUIRE(loaded.value);
    CHECK(loaded.fresh_for == std::chrono::seconds(2));
    const auto entry = decode_entry(loaded.value->span()).value();
    check_as_stat(entry.attributes, scratch.at(name));
    CHECK(entry.racy);
    CHECK(entry.target == (std::string(name) == "link" ? "some/where" : ""));
  }
  check_as_stat(storage.entry("/").attributes, "/");
  CHECK(!storage.entry("/usr").racy);

  const auto absent = storage.ask(Key::entry(scratch.at("absent")));
  CHECK(absent.value.error() == Errno{ENOENT});
  CHECK(absent.fresh_for == std::chrono::seconds(2));
  const auto below = storage.ask(Key::entry(scratch.at("file/x")));
  CHECK(below.value.error() == Errno{ENOTDIR});
  CHECK(below.fresh_for == std::chrono::seconds(2));
  const auto too_long = storage.ask(Key::entry(scratch.at(std::string(256, 'x'))));
  CHECK(too_long.value.error() == Errno{ENAMETOOLONG});
  CHECK(too_long.fresh_for == Duration::zero());
}

TEST_CASE("a freshness of zero gives none, and what is racy is given for two seconds at most") {
  const Scratch scratch(Scratch::disk);
  StorageHarness none({.freshness = std::chrono::milliseconds(0)});
  StorageHarness hour({.freshness = std::chrono::hours(1)});
  CHECK(none.ask(Key::entry("/usr")).fresh_for == Duration::zero());
  CHECK(none.ask(Key::listing("/usr")).fresh_for == Duration::zero());
  CHECK(none.ask(Key::entry(scratch.at("absent"))).fresh_for == Duration::zero());
  CHECK(hour.ask(Key::entry("/usr")).fresh_for == std::chrono::hours(1));
  CHECK(hour.ask(Key::listing(scratch.path().native())).fresh_for == limits::racy_window);
  CHECK(hour.ask(Key::entry(scratch.path().native())).fresh_for == limits::racy_window);
}

TEST_CASE("a listing has every name with what its entry says") {
  const Scratch scratch(Scratch::disk);
  StorageHarness storage;
  scratch.write("file", "hello");
  fs::create_directory(scratch / "dir");
  fs::create_symlink("dir", scratch / "link");
  fs::create_hard_link(scratch / "file", scratch / "hard");
  const auto loaded = storage.ask(Key::listing(scratch.path().native()));
  CHECK(loaded.fresh_for == std::chrono::seconds(2));
  const auto listing = view(loaded);
  CHECK(listing.size() == 4);
  CHECK(listing.blocks() == 1);
  CHECK(listing.racy());
  CHECK(listing.directory() == storage.entry(scratch.path().native()).attributes);
  for (const auto* name : {"file", "dir", "link", "hard"}) {
    const auto found = listing.find(name);
    REQUIRE(found);
    REQUIRE(found->entry);
    const auto entry = storage.entry(scratch.at(name));
    CHECK(found->entry->attributes == entry.attributes);
    CHECK(found->entry->target == entry.target);
    CHECK(found->type == (entry.attributes.mode & S_IFMT));
    CHECK(found->ino == entry.attributes.ino);
  }
  CHECK(listing.find("file")->ino == listing.find("hard")->ino);
  CHECK(listing.find("file")->ino != listing.find("dir")->ino);

  CHECK(storage.error(Key::listing(scratch.at("file"))) == Errno{ENOTDIR});
  CHECK(storage.error(Key::listing(scratch.at("link"))) == Errno{ENOTDIR});
  CHECK(storage.error(Key::listing(scratch.at("absent"))) == Errno{ENOENT});
  CHECK(view(storage.ask(Key::listing(scratch.at("dir")))).size() == 0);
}

TEST_CASE("up to 256 names carry their attributes along, more carry names, types and numbers") {
  const Scratch scratch(Scratch::disk);
  StorageHarness storage;
  const auto check = [&](bool with_entries) {
    const auto loaded = storage.ask(Key::listing(scratch.path().native()));
    const auto listing = view(loaded);
    for (std::size_t i = 0; i < listing.size(); ++i) {
      const auto name = listing.at(i);
      REQUIRE(name);
      REQUIRE(name->entry.has_value() == with_entries);
      const auto attributes = storage.entry(scratch.at(name->name)).attributes;
      CHECK(name->ino == attributes.ino);
      CHECK(name->type == (attributes.mode & S_IFMT));
    }
    return listing.size();
  };
  for (int i = 0; i < 255; ++i) scratch.write("f" + std::to_string(i), "");
  fs::create_directory(scratch / "dir");
  CHECK(check(true) == 256);
  fs::create_symlink("x", scratch / "link");
  CHECK(check(false) == 257);
}

TEST_CASE("what has not changed is renewed without bytes") {
  StorageHarness storage;
  const auto usr = storage.ask(Key::listing("/usr"));
  REQUIRE(!view(usr).racy());
  const auto again = storage.ask(Key::listing("/usr"), *usr.value);
  CHECK(again.unchanged);
  CHECK(again.tag == usr.tag);
  CHECK(again.fresh_for == std::chrono::seconds(2));
  const auto entry = storage.ask(Key::entry("/usr"));
  CHECK(storage.ask(Key::entry("/usr"), *entry.value).unchanged);
  CHECK(!storage.ask(Key::entry("/etc"), *entry.value).unchanged);

  // Racy: looked at again, and found equal.
  const Scratch scratch(Scratch::disk);
  const auto path = scratch.path().native();
  const auto file = scratch.write("file", "hello");
  const auto young = storage.ask(Key::listing(path));
  CHECK(view(young).racy());
  CHECK(storage.ask(Key::listing(path), *young.value).unchanged);
  const auto key = Key::file_block(file, 0, storage.version(file));
  const auto bytes = storage.ask(key);
  CHECK(bytes.fresh_for == limits::racy_window);
  CHECK(storage.ask(key, *bytes.value).unchanged);

  // A change inside a file shows though its directory's own attributes stay.
  scratch.write("file", "changed");
  const auto changed = storage.ask(Key::listing(path), *young.value);
  CHECK(!changed.unchanged);
  CHECK(view(changed).find("file")->entry->attributes.size == 7);
  scratch.write("new", "");
  CHECK(view(storage.ask(Key::listing(path), *changed.value)).find("new"));
}

TEST_CASE("a listing of several blocks is read in one edition") {
  const Scratch scratch(Scratch::disk);
  StorageHarness storage;
  constexpr int names = 20'000;
  const std::string tail(60, 'n');
  for (int i = 0; i < names; ++i) {
    const int fd = ::open(scratch.at(std::to_string(i) + tail).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    ::close(fd);
  }
  const auto path = scratch.path().native();
  scratch.write("last", "");  // racy from here on, so that both sweeps say so
  const auto first = storage.ask(Key::listing(path));
  const auto head = view(first);
  REQUIRE(head.blocks() > 1);
  CHECK(head.names_total() == names + 1);

  StorageHarness other;  // has not kept the edition: sweeps again, and finds it equal
  const auto elsewhere = other.ask(Key::listing_block(path, 1, head.edition()));
  CHECK(elsewhere.value);

  fs::remove(scratch / ("7" + tail));
  std::set<std::string> met;
  for (std::uint32_t n = 0; n < head.blocks(); ++n) {
    const auto loaded = n == 0 ? first : storage.ask(Key::listing_block(path, n, head.edition()));
    const auto block = view(loaded);
    CHECK(block.edition() == head.edition());
    CHECK(block.number() == n);
    if (n > 0) CHECK(loaded.fresh_for == for_the_job);
    for (std::size_t i = 0; i < block.size(); ++i) met.emplace(block.at(i)->name);
  }
  CHECK(met.size() == names + 1);
  CHECK(storage.error(Key::listing_block(path, head.blocks(), head.edition())) == Errno{EINVAL});

  StorageHarness late;
  CHECK(late.error(Key::listing_block(path, 1, head.edition())) == Errno{ESTALE});
}

TEST_CASE("local trees are links to themselves, and the job's mounts are not touched") {
  const Scratch scratch(Scratch::disk);
  const auto top = scratch.path().native();
  // A file where the mount would be: whoever looks at it sees no directory.
  scratch.write("mount", "x");
  scratch.write("mount2", "x");
  fs::create_directory(scratch / "local");
  scratch.write("local/file", "x");
  StorageHarness storage({.local = {.local = {"/proc", scratch.at("local"), scratch.at("elsewhere")}},
                          .mounts = {scratch.at("mount")}});

  const auto proc = storage.ask(Key::entry("/proc"));
  REQUIRE(proc.value);
  CHECK(decode_entry(proc.value->span())->target == "/proc");
  const auto root = storage.ask(Key::listing("/"));
  CHECK(view(root).find("proc")->entry->target == "/proc");
  CHECK(view(root).find("proc")->ino == decode_entry(proc.value->span())->attributes.ino);
  CHECK(storage.error(Key::listing("/proc")) == Errno{ENOTDIR});
  CHECK(storage.error(Key::entry("/proc/self")) == Errno{ENOTDIR});
  CHECK(storage.error(Key::entry(scratch.at("local/file"))) == Errno{ENOTDIR});

  for (const auto& key : {Key::entry(scratch.at("mount")), Key::listing(scratch.at("mount")),
                          Key::entry(scratch.at("mount/usr")), Key::filesystem(scratch.at("mount")),
                          Key::file_block(scratch.at("mount/x"), 0, {.size = 9})}) {
    CHECK(storage.error(key) == Errno{ELOOP});
  }
  CHECK(S_ISREG(storage.entry(scratch.at("mount2")).attributes.mode));

  const auto loaded = storage.ask(Key::listing(top));
  const auto listing = view(loaded);
  CHECK(listing.size() == 4);
  CHECK(listing.find("mount")->type == S_IFDIR);
  CHECK(!listing.find("mount")->entry);
  CHECK(listing.find("mount2")->type == S_IFREG);
  CHECK(listing.find("local")->entry->target == scratch.at("local"));
  CHECK(listing.find("elsewhere")->type == S_IFLNK);
}

TEST_CASE("the file system's own statvfs is given") {
  const Scratch scratch(Scratch::disk);
  StorageHarness storage;
  fs::create_symlink("/", scratch / "link");
  struct statvfs st {};
  REQUIRE(::statvfs(scratch.path().c_str(), &st) == 0);
  for (const auto& path : {scratch.path().native(), scratch.at("link")}) {
    const auto loaded = storage.ask(Key::filesystem(path));
    REQUIRE(loaded.value);
    const auto given = decode_filesystem(loaded.value->span()).value();
    CHECK(given.f_blocks == st.f_blocks);
    CHECK(given.f_bsize == st.f_bsize);
    CHECK(given.f_namemax == st.f_namemax);
  }
  CHECK(storage.error(Key::filesystem(scratch.at("absent"))) == Errno{ENOENT});
}

// Has no room until it is told otherwise.
class Full final : public Memory {
 public:
  std::optional<Buffer> allocate(const Key& key, std::size_t size) override {
    return room ? heap_.allocate(key, size) : std::nullopt;
  }
  Bytes seal(Buffer buffer, Tag tag) override { return heap_.seal(std::move(buffer), tag); }
  bool room = false;

 private:
  HeapMemory heap_;
};

TEST_CASE("no room in memory is an answer, not remembered; a block waits for it a while") {
  const Scratch scratch(Scratch::disk);
  Full full;
  StorageHarness storage({}, full);
  StorageHarness plain;
  const auto path = scratch.write("file", "hello");
  for (const auto& key : {Key::entry(path), Key::listing(scratch.path().native())}) {
    const auto loaded = storage.ask(key);
    CHECK(loaded.value.error() == Errno{ENOBUFS});
    CHECK(loaded.fresh_for == Duration::zero());
  }
  const auto block = Key::file_block(path, 0, plain.version(path));
  storage.load({block, std::nullopt});
  storage.load({Key::file_block(path, 7, plain.version(path)), std::nullopt});  // refused at once
  CHECK(storage.poll().value.error() == Errno{EINVAL});
  full.room = true;
  CHECK(storage.poll().value->text() == "hello");

  full.room = false;
  const auto begun = std::chrono::steady_clock::now();
  storage.load({block, std::nullopt});
  CHECK(storage.poll().value.error() == Errno{ENOBUFS});
  const auto in_vain = std::chrono::steady_clock::now();
  CHECK(in_vain - begun >= room_patience);
  constexpr int others = 20;
  for (int i = 0; i < others; ++i) {
    storage.load({block, std::nullopt});
    CHECK(storage.poll().value.error() == Errno{ENOBUFS});
  }
  CHECK(std::chrono::steady_clock::now() - in_vain < others * room_patience / 2);
  full.room = true;
  storage.load({block, std::nullopt});
  CHECK(storage.poll().value->text() == "hello");
}

TEST_CASE("each of many loads is answered once, and a storage that ends leaves the rest") {
  const Scratch scratch(Scratch::disk);
  const auto path = scratch.write("file", std::string(3 * B, 'x'));
  StorageHarness storage;
  const auto version = storage.version(path);
  constexpr int rounds = 300;
  for (int i = 0; i < rounds; ++i) {
    storage.load({Key::entry("/usr/" + std::to_string(i)), std::nullopt});
    storage.load({Key::listing(scratch.path().native()), std::nullopt});
    storage.load({Key::file_block(path, static_cast<std::uint32_t>(i % 3), version), std::nullopt});
  }
  int bytes = 0;
  for (int i = 0; i < 3 * rounds; ++i) bytes += storage.next().value.ok() ? 1 : 0;
  CHECK(bytes == 2 * rounds);

  StorageHarness ends;
  for (int i = 0; i < rounds; ++i) ends.load({Key::listing("/usr/bin"), std::nullopt});
}

}  // namespace copper
