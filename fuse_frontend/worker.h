// The worker: the process that answers the mount. Its parent holds the mount and outlives it; all that a
// successor needs to know lies in the segment.
#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <string>

#include "fuse_frontend/recorder.h"
#include "service/segment/segment.h"
#include "service/storage/source_tree.h"

namespace copper {

struct WorkerOptions {
  std::string mount;
  std::string device;  // of the mount: "major:minor", for its read-ahead
  LocalTrees local;
  bool map_links;
  double direct_per_second;  // operations of storage of the whole job, while no rank answers
  Recorder* recorder;        // null: nothing is recorded
};

// Serves requests from `fuse_device` (/dev/fuse, mounted) on as many threads as the segment has lanes, until
// the mount is gone. Does not come back: threads may be inside the kernel. Exit status: 0 when the mount is
// gone, 1 on an error.
[[noreturn]] void work(Segment& segment, int fuse_device, const WorkerOptions& options,
                       std::shared_ptr<spdlog::logger> log);

}  // namespace copper
