// The kernel's questions about contents and space: read, statfs. Bytes go from the arena to the kernel in one
// copy.
#pragma once

#include <sys/types.h>

#include <cstddef>

#include "fuse_frontend/replies/names.h"

namespace copper {

Task read(Lane& lane, Request request, Nodeid id, std::size_t size, off_t offset);
Task statfs(Lane& lane, Request request, Nodeid id);

}  // namespace copper
