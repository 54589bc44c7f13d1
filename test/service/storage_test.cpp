#include "service/storage.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
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

std::string pattern(std::size_t size, char first = 'a') {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i)
    text[i] = static_cast<char>(first + static_cast<char>((i / 7 + i / B) % 23));
  return text;
}

ListingView view(const Loaded& loaded) {
  REQUIRE(loaded.value);
  return ListingView::of(loaded.value->span()).value();
}

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

// As nobody, with nobody's group alone, where the test runs as root; itself otherwise.
class OrdinaryUser {
 public:
  OrdinaryUser() {
    if (::geteuid() != 0) return;
    groups_.resize(static_cast<std::size_t>(::getgroups(0, nullptr)));
    (void)::getgroups(static_cast<int>(groups_.size()), groups_.data());
    was_root_ = ::setgroups(0, nullptr) == 0 && ::setegid(65534) == 0 && ::seteuid(65534) == 0;
  }
  ~OrdinaryUser() {
    if (!was_root_) return;
    (void)!::seteuid(0);
    (void)!::setegid(0);
    (void)::setgroups(groups_.size(), groups_.data());
  }
  explicit operator bool() const { return ::geteuid() != 0; }

 private:
  bool was_root_ = false;
  std::vector<gid_t> groups_;
};

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

TEST_CASE("local trees are links to themselves, and the job's mounts are not touched") {
  const Scratch scratch(Scratch::disk);
  const auto top = scratch.path().native();
  // A file where the mount would be: whoever looks at it sees no directory.
  scratch.write("mount", "x");
  scratch.write("mount2", "x");
  fs::create_directory(scratch / "local");
  scratch.write("local/file", "x");
  StorageHarness storage(
      {.local = {"/proc", scratch.at("local"), scratch.at("elsewhere")}, .mounts = {scratch.at("mount")}});

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

TEST_CASE("no room in memory is an answer, not remembered") {
  class Full final : public Memory {
   public:
    std::optional<Buffer> allocate(const Key&, std::size_t) override { return std::nullopt; }
    Bytes seal(Buffer, Tag) override { return {}; }
  };
  const Scratch scratch(Scratch::disk);
  Full full;
  StorageHarness storage({}, full);
  StorageHarness plain;
  const auto path = scratch.write("file", "hello");
  for (const auto& key : {Key::entry(path), Key::listing(scratch.path().native()),
                          Key::file_block(path, 0, plain.version(path))}) {
    const auto loaded = storage.ask(key);
    CHECK(loaded.value.error() == Errno{ENOBUFS});
    CHECK(loaded.fresh_for == Duration::zero());
  }
}

TEST_CASE("what storage denies an ordinary user is denied") {
  const Scratch scratch(Scratch::disk);
  const auto file = scratch.write("file", "hello");
  fs::create_directory(scratch / "dir");
  ::chmod(scratch.path().c_str(), 0755);
  ::chmod(file.c_str(), 0000);
  ::chmod(scratch.at("dir").c_str(), 0000);
  {
    const OrdinaryUser user;
    if (!user) {
      WARN("skipped: still root, to whom nothing is denied");
      return;
    }
    StorageHarness storage;
    const auto version = storage.version(file);
    CHECK(storage.error(Key::file_block(file, 0, version)) == Errno{EACCES});
    CHECK(storage.error(Key::listing(scratch.at("dir"))) == Errno{EACCES});
    CHECK(storage.error(Key::entry(scratch.at("dir/x"))) == Errno{EACCES});
    CHECK((storage.entry(file).attributes.mode & 0777) == 0);
  }
  ::chmod(scratch.at("dir").c_str(), 0700);
}

TEST_CASE("where an access control list grants what the mode denies, the mode is made to agree") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can make a file that is another user's");
    return;
  }
  const Scratch scratch(Scratch::disk);
  const auto file = scratch.write("file", "hello");
  const auto closed = scratch.write("closed", "hello");
  ::chmod(scratch.path().c_str(), 0755);
  ::chmod(file.c_str(), 0600);
  ::chmod(closed.c_str(), 0600);
  struct __attribute__((packed)) {
    std::uint32_t version = 2;
    struct {
      std::uint16_t tag, permissions;
      std::uint32_t id;
    } entries[5] = {{0x01, 6, ~0u}, {0x02, 4, 65534}, {0x04, 0, ~0u}, {0x10, 4, ~0u}, {0x20, 0, ~0u}};
  } list;
  if (::setxattr(file.c_str(), "system.posix_acl_access", &list, sizeof list, 0) != 0) {
    WARN("skipped: " << scratch.path() << " has no access control lists");
    return;
  }
  const OrdinaryUser user;
  REQUIRE(user);
  StorageHarness storage;
  CHECK((storage.entry(file).attributes.mode & 0777) == 0644);
  CHECK((storage.entry(closed).attributes.mode & 0777) == 0600);
  const auto listing = storage.ask(Key::listing(scratch.path().native()));
  CHECK((view(listing).find("file")->entry->attributes.mode & 0777) == 0644);
  CHECK(storage.block(file, 0, storage.version(file)) == "hello");
}

TEST_CASE("each of many loads is answered once, and a storage that ends leaves the rest") {
  const Scratch scratch(Scratch::disk);
  const auto path = scratch.write("file", pattern(3 * B));
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
