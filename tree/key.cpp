#include "tree/key.h"

#include <xxhash.h>

#include <array>

#include "tree/limits.h"

namespace copper {

std::string_view Key::directory() const {
  return kind == Kind::listing ? std::string_view(path) : parent_path(path);
}

std::size_t KeyHash::operator()(const Key& key) const noexcept {
  const auto& v = key.version;
  const std::array<std::uint64_t, 6> numbers{
      key.path.hash(),
      std::uint64_t{key.block} << 8 | static_cast<std::uint64_t>(key.kind),
      v.inode,
      v.size,
      static_cast<std::uint64_t>(v.mtime_ns),
      static_cast<std::uint64_t>(v.ctime_ns)};
  return XXH3_64bits(numbers.data(), sizeof numbers);
}

std::string_view parent_path(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos || slash == 0 ? std::string_view("/") : path.substr(0, slash);
}

std::string join_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (path != "/") path += '/';
  return path += name;
}

bool is_at_or_below(std::string_view what, std::string_view path) {
  if (path == "/") return true;
  return what.starts_with(path) && (what.size() == path.size() || what[path.size()] == '/');
}

// A directory's listing carries along what its names are.
bool tells_of(const Key& key, std::string_view path) {
  return is_at_or_below(key.path, path) || (key.kind == Kind::listing && key.path.str() == parent_path(path));
}

bool valid_path(std::string_view path) {
  if (path.empty() || path.front() != '/' || path.size() > limits::path_bytes) return false;
  if (path.size() == 1) return true;
  if (path.find('\0') != std::string_view::npos) return false;
  for (std::size_t begin = 1;;) {
    const auto slash = path.find('/', begin);
    const auto name = path.substr(begin, slash == std::string_view::npos ? slash : slash - begin);
    if (name.empty() || name == "." || name == ".." || name.size() > limits::name_bytes) return false;
    if (slash == std::string_view::npos) return true;
    begin = slash + 1;
  }
}

bool valid(const Key& key) {
  if (!valid_path(key.path)) return false;
  switch (key.kind) {
    case Kind::listing:
      return key.block == 0 ? key.version == Version{} : key.version == Version{.inode = key.version.inode};
    case Kind::entry:
    case Kind::filesystem:
      return key.block == 0 && key.version == Version{};
    case Kind::block:
      return true;
  }
  return false;
}

std::string describe(const Key& key) {
  const auto& path = key.path.str();
  switch (key.kind) {
    case Kind::listing:
      if (key.block == 0) return "listing of " + path;
      return "block " + std::to_string(key.block) + " of listing of " + path;
    case Kind::entry:
      return "entry " + path;
    case Kind::block:
      return "block " + std::to_string(key.block) + " of " + path;
    case Kind::filesystem:
      return "file system of " + path;
  }
  return "unknown kind of " + path;
}

}  // namespace copper
