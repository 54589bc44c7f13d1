// Names that the kernel has been told are absent, and for how long. It keeps them without an inode, so
// without a FORGET; and nothing but their names makes it drop them before their time.
//
// The records lie in the segment, a ring in the order of telling, so that a successor of this worker can take
// back what the kernel has; what indexes them is private. Any thread. One mutex, never held over a call out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fuse_frontend/view/inodes.h"
#include "service/segment/segment.h"
#include "tree/outcome.h"

namespace copper {

// So many at a time, segment::absent_names_max: as many as a few hundred programs probe. Fewer where shared
// memory has no room.
class AbsentNames {
 public:
  // Indexes what is in the segment. Throws Refusal where shared memory has no room for the first names.
  explicit AbsentNames(Segment& segment);

  // Forgets everything: for a mount that has just been made. Before any AbsentNames is made.
  static void clear(Segment& segment);

  // Before the reply that tells of it. A name that the kernel is to drop, where there are too many: the one
  // that was told longest ago.
  struct Name {
    Nodeid directory = 0;
    std::string name;
  };
  std::optional<Name> told(Nodeid directory, std::uint64_t generation, std::string_view name, Instant until,
                           Instant now);

  // Those of a directory; each is forgotten here only once the kernel has dropped it, and where it has not
  // been told anew meanwhile.
  struct Told {
    std::string name;
    Instant until{};
  };
  std::vector<Told> names(std::uint64_t generation) const;
  void dropped(std::uint64_t generation, const Told& told);
  // The kernel has forgotten the directory, and so its names.
  void forget(std::uint64_t generation);

 private:
  using Names =
      std::unordered_map<std::string_view, std::uint32_t>;  // number of the record, which has the name

  segment::AbsentRecord& record(std::uint32_t number) const { return segment_.absent_names()[number]; }
  std::uint32_t next();
  void index(std::uint32_t number);
  void erase(std::uint32_t number);

  Segment& segment_;
  mutable std::mutex mutex_;                              // guards all below, and the records
  std::unordered_map<std::uint64_t, Names> directories_;  // by generation, which no two inodes share
};

}  // namespace copper
