// What storage denies and grants an ordinary user.
#include "service/storage/entry_reader.h"

#include <grp.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <vector>

#include "test/service/scratch.h"
#include "test/service/storage_harness.h"

namespace copper {
namespace {

namespace fs = std::filesystem;

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

}  // namespace copper
