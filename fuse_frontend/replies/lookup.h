// The kernel's questions about names and inodes: lookup, getattr, readlink. Coroutines of the lane that read
// the request; each replies exactly once.
#pragma once

#include <string>

#include "fuse_frontend/replies/names.h"

namespace copper {

Task lookup(Lane& lane, Request request, Nodeid parent, std::string name);
Task getattr(Lane& lane, Request request, Nodeid id);
Task readlink(Lane& lane, Request request, Nodeid id);

// For how long the kernel may keep a name, and its attributes, in seconds.
struct Timeouts {
  double name = 0;
  double attributes = 0;
};
Timeouts timeouts(const Resolved& found, Instant now);  // of a name that is there
fuse_entry_param as_parameter(const Inode& inode, const Attributes& attributes, const Timeouts& timeouts);

}  // namespace copper
