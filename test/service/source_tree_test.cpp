// Paths only, no file is touched.
#include "service/storage/source_tree.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>

namespace copper {

TEST_CASE("local trees and the job's mounts are told apart component by component") {
  const SourceTree tree({{"/proc", "/run/", "/scratch/local"}},
                        {"/tmp/copper/node0", "/tmp/copper/node1", "/mnt/c"});
  CHECK(tree.place("/") == Place::shared);
  CHECK(tree.place("/usr/lib") == Place::shared);
  CHECK(tree.place("/proc") == Place::local_link);
  CHECK(tree.place("/proc/1") == Place::below_local);
  CHECK(tree.place("/process") == Place::shared);
  CHECK(tree.place("/run") == Place::local_link);
  CHECK(tree.place("/run/user") == Place::below_local);
  CHECK(tree.place("/scratch") == Place::shared);
  CHECK(tree.place("/scratch/local") == Place::local_link);
  CHECK(tree.place("/tmp/copper") == Place::shared);
  CHECK(tree.place("/tmp/copper/node0") == Place::mount);
  CHECK(tree.place("/tmp/copper/node0/usr") == Place::mount);
  CHECK(tree.place("/tmp/copper/node00") == Place::shared);
  CHECK(tree.place("/mnt/cc") == Place::shared);
}

TEST_CASE(
    "a mount below a local tree is still never touched, and a local tree below another is beyond reach") {
  const SourceTree tree({{"/run", "/run/lock"}}, {"/run/user/c"});
  CHECK(tree.place("/run/user/c") == Place::mount);
  CHECK(tree.place("/run/lock") == Place::below_local);
}

TEST_CASE("the longest prefix says whether a path is local, and the way to a shared tree is shared") {
  const SourceTree tree(
      {{"/run", "/lus", "/lus/env/own", "/sys"}, {"/lus/env", "/run/a/b", "/sys", "/other"}}, {});
  CHECK(tree.place("/lus") == Place::shared);
  CHECK(tree.place("/lus/env") == Place::shared);
  CHECK(tree.place("/lus/env/lib/x") == Place::shared);
  CHECK(tree.place("/lus/environment") == Place::local_name);
  CHECK(tree.place("/lus/environment/x") == Place::below_local);
  CHECK(tree.place("/lus/env/own") == Place::local_link);
  CHECK(tree.place("/lus/env/own/x") == Place::below_local);
  CHECK(tree.place("/run/a") == Place::shared);
  CHECK(tree.place("/run/a/c") == Place::local_name);
  CHECK(tree.place("/run/lock") == Place::local_name);
  CHECK(tree.place("/sys") == Place::shared);
  CHECK(tree.place("/sys/class/net") == Place::shared);
  CHECK(tree.place("/other/x") == Place::shared);
  CHECK(tree.exceptions_in("/").empty());
  REQUIRE(tree.exceptions_in("/lus/env").size() == 1);
  CHECK(tree.exceptions_in("/lus/env").front().name == "own");
}

TEST_CASE("a directory's exceptions are its own children only") {
  const SourceTree tree({{"/proc", "/scratch/local"}}, {"/tmp/copper/node0", "/tmp/copper/node1"});
  CHECK(tree.exceptions_in("/").size() == 1);
  CHECK(tree.exceptions_in("/").front().name == "proc");
  CHECK(tree.exceptions_in("/tmp").empty());
  const auto nodes = tree.exceptions_in("/tmp/copper");
  REQUIRE(nodes.size() == 2);
  CHECK(nodes[1].name == "node1");
  CHECK(nodes[1].place == Place::mount);
}

TEST_CASE("a local tree is shown as a symbolic link to itself") {
  const auto link = SourceTree::link_to("/proc");
  CHECK(link.target == "/proc");
  CHECK(link.attributes.mode == (S_IFLNK | 0777));
  CHECK(link.attributes.size == 5);
  CHECK(link.attributes.ino != SourceTree::link_to("/sys").attributes.ino);
}

}  // namespace copper
