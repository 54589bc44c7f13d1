// The kernel's questions about the names in a directory: readdir, and readdirplus, which carries along the
// attributes that may be relied on. A name's cookie is its offset, good in every edition of the directory: 1
// is ".", 2 "..".
#pragma once

#include <sys/types.h>

#include <cstddef>

#include "fuse_frontend/replies/lookup.h"

namespace copper {

Task readdir(Lane& lane, Request request, Nodeid id, std::size_t size, off_t offset, bool plus);

}  // namespace copper
