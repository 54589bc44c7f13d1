// What the text of a symbolic link is to those who read it through this mount. The tree has it as storage
// has it, the same for all nodes; where the mount is differs from node to node.
//
// Immutable, any thread.
#pragma once

#include <string>
#include <string_view>

#include "service/storage/source_tree.h"

namespace copper {

class Links {
 public:
  // `map`: absolute targets lead on below the mount, except those that are local trees or already there.
  Links(std::string mount, const LocalTrees& local, bool map);

  // What readlink says. A text that would be longer than a path may be stays as it is.
  std::string text(const std::string& target) const;
  // The attributes of any entry; of a link, st_size is the length of its text.
  Attributes attributes(const Entry& entry) const;

  // Whoever follows the link is no longer in the mount, and not because the tree is a local one.
  bool leads_out(std::string_view text) const;

 private:
  const std::string mount_;
  const SourceTree local_;
  const bool map_;
};

}  // namespace copper
