// Names that the kernel has been told are absent, and for how long. It keeps them without an inode, so
// without a FORGET; and nothing but their names makes it drop them before their time.
//
// Any thread. One mutex, never held over a call out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fuse_frontend/view/inodes.h"
#include "tree/outcome.h"

namespace copper {

class AbsentNames {
 public:
  // So many at a time: as many as a few hundred programs probe.
  static constexpr std::size_t most = std::size_t{1} << 16;

  // Before the reply that tells of it. A name that the kernel is to drop, where there are too many: the one
  // that was told longest ago.
  struct Name {
    Nodeid directory = 0;
    std::string name;
  };
  std::optional<Name> told(Nodeid directory, std::uint64_t generation, const std::string& name, Instant until,
                           Instant now);

  // Those of a directory, which are no longer known here.
  std::vector<std::string> take(std::uint64_t generation);
  // The kernel has forgotten the directory, and so its names.
  void forget(std::uint64_t generation);

 private:
  using Names = std::unordered_map<std::string, Instant>;  // until when
  struct Told {
    Nodeid directory = 0;
    std::uint64_t generation = 0;
    std::string name;
    Instant until{};
  };
  bool counts(const Told& told) const;  // was not told again, or taken
  void drop(const Told& told);

  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Names> directories_;  // by generation, which no two inodes share
  std::deque<Told> order_;                                // told longest ago first; at most `most`
};

}  // namespace copper
