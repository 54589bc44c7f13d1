// A handful of prefixes, compared one by one.
#include "service/storage/source_tree.h"

#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>

#include "tree/key.h"

namespace copper {
namespace {

std::vector<std::string> without_slashes(const std::vector<std::string>& paths) {
  std::vector<std::string> out;
  for (auto path : paths) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    if (path.size() > 1) out.push_back(std::move(path));
  }
  return out;
}

bool is_or_below(std::string_view path, std::string_view top) {
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

std::string_view last_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// The length of the longest of the prefixes that holds the path; 0 where none does.
std::size_t longest(const std::vector<std::string>& prefixes, std::string_view path) {
  std::size_t length = 0;
  for (const auto& prefix : prefixes) {
    if (is_or_below(path, prefix)) length = std::max(length, prefix.size());
  }
  return length;
}

}  // namespace

SourceTree::SourceTree(const LocalTrees& trees, const std::vector<std::string>& mounts)
    : local_(without_slashes(trees.local)),
      share_(without_slashes(trees.share)),
      mounts_(without_slashes(mounts)) {
  std::erase_if(local_, [this](const auto& path) { return std::ranges::find(share_, path) != share_.end(); });
}

// Not on the way to a shared tree either.
bool SourceTree::is_local(std::string_view path) const {
  if (longest(local_, path) <= longest(share_, path)) return false;
  return std::ranges::none_of(share_, [path](const auto& shared) { return is_or_below(shared, path); });
}

Place SourceTree::place(std::string_view path) const {
  if (longest(mounts_, path) > 0) return Place::mount;
  if (!is_local(path)) return Place::shared;
  if (is_local(parent_path(path))) return Place::below_local;
  return std::ranges::find(local_, path) != local_.end() ? Place::local_link : Place::local_name;
}

std::vector<SourceTree::Exception> SourceTree::exceptions_in(std::string_view directory) const {
  std::vector<Exception> out;
  for (const auto* paths : {&mounts_, &local_}) {
    for (const auto& path : *paths) {
      const auto at = parent_path(path) == directory ? place(path) : Place::shared;
      if (at != Place::shared) out.push_back({std::string(last_name(path)), at});
    }
  }
  return out;
}

Entry SourceTree::link_to(std::string_view path) {
  constexpr std::uint64_t seed = 0x6c6f63616cULL;  // "local": a number that no file of the source has
  Entry entry;
  entry.target = path;
  entry.attributes.ino = XXH3_64bits_withSeed(path.data(), path.size(), seed);
  entry.attributes.size = path.size();
  entry.attributes.mode = S_IFLNK | 0777;
  entry.attributes.nlink = 1;
  entry.attributes.blksize = 4096;
  return entry;
}

}  // namespace copper
