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

}  // namespace

SourceTree::SourceTree(const std::vector<std::string>& local, const std::vector<std::string>& mounts)
    : local_(without_slashes(local)), mounts_(without_slashes(mounts)) {}

Place SourceTree::place(std::string_view path) const {
  const auto holds = [path](const std::string& top) { return is_or_below(path, top); };
  if (std::ranges::any_of(mounts_, holds)) return Place::mount;
  const auto local = std::ranges::find_if(local_, holds);
  if (local == local_.end()) return Place::shared;
  const bool below =
      std::ranges::any_of(local_, [path, &holds](const auto& top) { return holds(top) && path != top; });
  return below ? Place::below_local : Place::local_link;
}

std::vector<SourceTree::Exception> SourceTree::exceptions_in(std::string_view directory) const {
  std::vector<Exception> out;
  for (const auto* paths : {&mounts_, &local_}) {
    for (const auto& path : *paths) {
      if (parent_path(path) == directory) out.push_back({std::string(last_name(path)), place(path)});
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
