// Which paths of the source are shared: not the node-local trees (/proc, ...), which are shown as symbolic
// links to themselves, and not the job's own mounts, which are never touched. Paths are compared component by
// component. Immutable, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "service/storage/listing.h"

namespace copper {

enum class Place {
  shared,
  local_link,   // a node-local tree: a symbolic link to itself
  below_local,  // nobody gets there through the mount, the kernel follows the link: ENOTDIR
  mount,        // a mount of this job, or below one: ELOOP
};

class SourceTree {
 public:
  // Absolute paths; a trailing slash does no harm.
  SourceTree(const std::vector<std::string>& local, const std::vector<std::string>& mounts);

  Place place(std::string_view path) const;

  // The names in `directory` that are not shared.
  struct Exception {
    std::string name;
    Place place = Place::shared;
  };
  std::vector<Exception> exceptions_in(std::string_view directory) const;

  // What a local tree is shown as.
  static Entry link_to(std::string_view path);

 private:
  std::vector<std::string> local_;
  std::vector<std::string> mounts_;
};

}  // namespace copper
