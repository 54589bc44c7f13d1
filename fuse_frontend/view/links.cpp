// See links.h.
#include "fuse_frontend/view/links.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "tree/limits.h"

namespace copper {
namespace {

// As the kernel walks it: more slashes than one, and what goes nowhere: "." and, at the top, "..".
std::string_view without_idle_steps(std::string_view path) {
  while (true) {
    auto rest = path.substr(std::min(path.find_first_not_of('/'), path.size()));
    const auto name = rest.substr(0, rest.find('/'));
    if (name != "." && name != "..") return path.substr(path.size() - rest.size());
    path = rest.substr(name.size());
  }
}

}  // namespace

Links::Links(std::string mount, const LocalTrees& local, bool map)
    : mount_(std::move(mount)), local_(local, {mount_}), map_(map) {}

std::string Links::text(const std::string& target) const {
  if (!map_ || !leads_out(target)) return target;
  const auto below = without_idle_steps(target);
  auto text = below.empty() ? mount_ : join_path(mount_, below);
  return text.size() > limits::path_bytes ? target : text;
}

Attributes Links::attributes(const Entry& entry) const {
  auto attributes = entry.attributes;
  if (map_ && S_ISLNK(attributes.mode)) {
    if (const auto shown = text(entry.target); shown != entry.target) attributes.size = shown.size();
  }
  return attributes;
}

// A local tree that is reached through ".." is met on the way: the mount has a link to it.
bool Links::leads_out(std::string_view text) const {
  if (!text.starts_with('/')) return false;
  const auto place = local_.place(join_path("/", without_idle_steps(text)));
  return place == Place::shared;
}

}  // namespace copper
