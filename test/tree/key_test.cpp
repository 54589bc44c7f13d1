// Paths, keys, and which of them are valid.
#include "tree/key.h"

#include <catch2/catch.hpp>
#include <unordered_set>

#include "tree/limits.h"

namespace copper {

TEST_CASE("parent and join are inverse") {
  CHECK(parent_path("/a/b") == "/a");
  CHECK(parent_path("/a") == "/");
  CHECK(parent_path("/") == "/");
  for (const std::string path : {"/a", "/a/b", "/a/b/c.so"})
    CHECK(join_path(parent_path(path), path.substr(path.rfind('/') + 1)) == path);
}

TEST_CASE("a listing shares its freshness with the entries in it, not with its own entry") {
  CHECK(Key::listing("/a/b").directory() == "/a/b");
  CHECK(Key::entry("/a/b/c").directory() == "/a/b");
  CHECK(Key::file_block("/a/b/c", 1, {}).directory() == "/a/b");
  CHECK(Key::entry("/a/b").directory() == "/a");
  CHECK(Key::listing("/").directory() == "/");
}

TEST_CASE("a valid path is absolute, plain and bounded") {
  for (const std::string path : {"/", "/a", "/a/b", "/a/.b", "/a/...", "/a b/\xff\n"})
    CHECK(valid_path(path));
  for (const std::string path :
       {"", "a", "a/b", "/a/", "//", "//a", "/a//b", "/.", "/..", "/a/./b", "/a/../b", "/a/.."})
    CHECK_FALSE(valid_path(path));
  CHECK_FALSE(valid_path(std::string_view("/a\0b", 4)));

  const auto name = [](std::size_t size) { return std::string(size, 'n'); };
  CHECK(valid_path("/" + name(limits::name_bytes)));
  CHECK_FALSE(valid_path("/" + name(limits::name_bytes + 1)));
  std::string longest;
  while (longest.size() + 101 <= limits::path_bytes) longest += "/" + name(100);
  longest += "/" + name(limits::path_bytes - longest.size() - 1);
  CHECK(longest.size() == limits::path_bytes);
  CHECK(valid_path(longest));
  CHECK_FALSE(valid_path(longest + "n"));
}

TEST_CASE("a valid key sets no field that its kind has no use for") {
  const Version version{1, 2, 3, 4};
  for (const auto& key : {Key::listing("/a"), Key::listing_block("/a", 1, 9), Key::entry("/a"),
                          Key::file_block("/a", 0, version), Key::filesystem("/a")})
    CHECK(valid(key));
  CHECK_FALSE(valid({Kind::listing, 0, "/a", {.inode = 9}}));
  CHECK_FALSE(valid({Kind::listing, 1, "/a", version}));
  CHECK_FALSE(valid({Kind::entry, 1, "/a", {}}));
  CHECK_FALSE(valid({Kind::entry, 0, "/a", version}));
  CHECK_FALSE(valid({Kind::filesystem, 0, "/a", version}));
  CHECK_FALSE(valid({Kind{0}, 0, "/a", {}}));
  CHECK_FALSE(valid({Kind{5}, 0, "/a", {}}));
  CHECK_FALSE(valid(Key::entry("a")));
}

TEST_CASE("keys that differ in any field are different keys") {
  const std::unordered_set<Key, KeyHash> keys{
      Key::entry("/a"),
      Key::entry("/b"),
      Key::listing("/a"),
      Key::filesystem("/a"),
      Key::file_block("/a", 0, {1, 2, 3, 4}),
      Key::file_block("/a", 1, {1, 2, 3, 4}),
      Key::file_block("/a", 0, {0, 2, 3, 4}),
      Key::file_block("/a", 0, {1, 0, 3, 4}),
      Key::file_block("/a", 0, {1, 2, 0, 4}),
      Key::file_block("/a", 0, {1, 2, 3, 0}),
  };
  CHECK(keys.size() == 10);
  std::unordered_set<std::size_t> hashes;
  for (const auto& key : keys) hashes.insert(KeyHash{}(key));
  CHECK(hashes.size() == 10);
}

TEST_CASE("a key is described as people say it") {
  CHECK(describe(Key::file_block("/lus/x.so", 3, {})) == "block 3 of /lus/x.so");
  CHECK(describe(Key::entry("/a")) == "entry /a");
  CHECK(describe(Key::listing("/a")) == "listing of /a");
  CHECK(describe(Key::listing_block("/a", 2, 9)) == "block 2 of listing of /a");
  CHECK(describe(Key::filesystem("/a")) == "file system of /a");
}

}  // namespace copper
