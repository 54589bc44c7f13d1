// libfuse's table of operations: each finds the lane on whose thread it runs, accepts the request and hands
// it over.
#pragma once

#include "fuse_frontend/kernel/fuse.h"
#include "fuse_frontend/lane.h"

namespace copper {

// The session's user data: which lane runs on the calling thread. Filled before the lanes start.
class Lanes {
 public:
  virtual ~Lanes() = default;
  virtual Lane& here() = 0;
};

const fuse_lowlevel_ops& operations();

}  // namespace copper
