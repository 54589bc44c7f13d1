// What is known of a file besides its bytes: a value that storage, the segment and the front end share.
#pragma once

#include <cstdint>

#include "tree/key.h"

namespace copper {

// What stat says, without st_dev and st_atime. ino: hash(source's mount point, source inode).
struct Attributes {
  std::uint64_t ino = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::uint64_t blocks = 0;  // of 512 bytes
  std::uint32_t mode = 0;    // type and permission bits
  std::uint32_t nlink = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t rdev = 0;
  std::uint32_t blksize = 0;

  Version version() const { return {ino, size, mtime_ns, ctime_ns}; }
  friend bool operator==(const Attributes&, const Attributes&) = default;
};

}  // namespace copper
