// What can be asked. Key{kind, path, block} travels unchanged from the front end to the root, its outcome
// travels unchanged back.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "tree/path.h"

namespace copper {

// Which bytes of a file: two reads that see the same version see the same file. `inode` is the st_ino that
// the mount shows (a hash of storage's mount point and inode), so that it tells file systems apart too.
struct Version {
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  friend auto operator<=>(const Version&, const Version&) = default;
};

enum class Kind : std::uint8_t {
  listing =
      1,  // a directory's own attributes, names and types; blocks n > 0 carry the edition in version.inode
  entry = 2,       // one name's attributes and link target, or its ENOENT
  block = 3,       // bytes [n*B, (n+1)*B) of one version of a file
  filesystem = 4,  // statvfs of the file system that holds the path
};

inline constexpr std::size_t kind_count = 4;
constexpr std::size_t index(Kind kind) { return static_cast<std::size_t>(kind) - 1; }

// Values; equal keys have equal outcomes while those are fresh. `path` is absolute, without trailing slash
// ("/" for the root itself), at most limits::path_bytes long.
struct Key {
  Kind kind = Kind::entry;
  std::uint32_t block = 0;
  Path path;
  Version version{};

  friend auto operator<=>(const Key&, const Key&) = default;

  static Key listing(Path path) { return {Kind::listing, 0, std::move(path), {}}; }
  static Key listing_block(Path path, std::uint32_t n, std::uint64_t edition) {
    return {Kind::listing, n, std::move(path), Version{.inode = edition}};
  }
  static Key entry(Path path) { return {Kind::entry, 0, std::move(path), {}}; }
  static Key file_block(Path path, std::uint32_t n, const Version& version) {
    return {Kind::block, n, std::move(path), version};
  }
  static Key filesystem(Path path) { return {Kind::filesystem, 0, std::move(path), {}}; }

  // The directory whose freshness the key shares, and whose hash chooses its tree: the path itself for a
  // listing, else the path's parent.
  std::string_view directory() const;
};

struct KeyHash {
  std::size_t operator()(const Key& key) const noexcept;
};

// "/a/b" -> "/a", "/a" -> "/", "/" -> "/".
std::string_view parent_path(std::string_view path);
// "/a" + "b" -> "/a/b", "/" + "b" -> "/b".
std::string join_path(std::string_view directory, std::string_view name);

// Is it `path`, or below it?
bool is_at_or_below(std::string_view what, std::string_view path);
// Would the key's outcome be another if all at or below `path`, its name included, were?
bool tells_of(const Key& key, std::string_view path);

// Absolute, at most limits::path_bytes long, no NUL, no trailing slash (except "/" itself), no component that
// is empty, ".", ".." or longer than limits::name_bytes.
bool valid_path(std::string_view path);
// What may be asked: a known kind, a valid path, and no field set that the kind has no use for. Whoever takes
// a key from another process checks this.
bool valid(const Key& key);

// For logs and status: "block 3 of /lus/x.so".
std::string describe(const Key& key);

}  // namespace copper
