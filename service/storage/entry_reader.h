// One look at one name of the source: statx, without following a symbolic link or triggering an automount.
// Blocks as long as storage does; any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "service/storage/listing.h"
#include "service/storage/mount_table.h"
#include "tree/result.h"

namespace copper {

class EntryReader {
 public:
  explicit EntryReader(MountTable& mounts);

  struct Look {
    Attributes attributes;
    dev_t device = 0;
  };
  // Of an open file, as storage says.
  Result<Look> look(int file) const;

  // Of `name` in the open directory (AT_FDCWD: a path); the directory itself where `name` is empty. Where the
  // mode would deny this user what storage grants (access control lists), the mode is made to agree.
  Result<Entry> entry(int directory, const std::string& name) const;

  // That time is so near that a further change may bear the same: git's racily-clean rule. Of ctime, which
  // nobody sets at will.
  static bool racy(std::int64_t ctime_ns);

 private:
  void grant(Attributes& attributes, int directory, const std::string& name) const;

  MountTable& mounts_;
  const uid_t user_;
  std::vector<gid_t> groups_;  // the effective one and the supplementary ones
};

}  // namespace copper
