// Which paths of the source are shared: not the node-local trees (/proc, ...), which are shown as symbolic
// links to themselves, and not the job's own mounts, which are never touched. Paths are compared component by
// component. Immutable, any thread.
//
// A path is local or shared as the longest prefix says that holds it. Where a shared tree lies in a local
// one, the directories on the way to it are shared too, or nobody would get there; the other names in them
// are links to what is there on each node.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "service/storage/listing.h"

namespace copper {

enum class Place {
  shared,
  local_link,   // a node-local tree: a symbolic link to itself, whether it is there or not
  local_name,   // a name on the way to a shared tree: where it is there, a symbolic link to itself
  below_local,  // nobody gets there through the mount, the kernel follows the link: ENOTDIR
  mount,        // a mount of this job, or below one: ELOOP
};

// Absolute paths; a trailing slash does no harm. Of a path in both it is the second that counts.
struct LocalTrees {
  std::vector<std::string> local{"/proc", "/sys", "/dev", "/run"};  // and --local
  std::vector<std::string> share{};                                 // --share
};

class SourceTree {
 public:
  SourceTree(const LocalTrees& trees, const std::vector<std::string>& mounts);

  Place place(std::string_view path) const;

  // The names in `directory` that are not shared, but for those of Place::local_name.
  struct Exception {
    std::string name;
    Place place = Place::shared;
  };
  std::vector<Exception> exceptions_in(std::string_view directory) const;

  // What a local tree is shown as.
  static Entry link_to(std::string_view path);

 private:
  bool is_local(std::string_view path) const;

  std::vector<std::string> local_;
  std::vector<std::string> share_;
  std::vector<std::string> mounts_;
};

}  // namespace copper
