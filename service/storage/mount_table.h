// The numbers of files as the mount shows them: hash(mount point that the source file lies under, inode), so
// that hard links stay equal although many file systems are joined under one st_dev. Any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace copper {

class MountTable {
 public:
  explicit MountTable(std::string mountinfo = "/proc/self/mountinfo");

  // st_ino for inode `inode` of device `device`; never zero. The table is read again when it has not seen the
  // device; one that no mount has (a btrfs subvolume) stands for itself, as major:minor.
  std::uint64_t shown_inode(dev_t device, std::uint64_t inode);

 private:
  void read();

  const std::string mountinfo_;
  std::mutex mutex_;                                // guards what follows
  std::unordered_map<dev_t, std::uint64_t> seeds_;  // hash of the mount point
};

}  // namespace copper
