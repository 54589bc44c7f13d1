// The parent process: it holds the mount and its /dev/fuse, and starts the worker that answers. So small that
// it does not fail, and so it can see to it that no dead mount stays behind.
#pragma once

#include <spdlog/logger.h>

#include <memory>

#include "fuse_frontend/mount/mountpoint.h"
#include "fuse_frontend/worker.h"
#include "service/segment/segment.h"

namespace copper {

// Forks the worker and stays until a signal asks for the end (0), someone else unmounted (0), or the worker
// died (1). Unmounts, ends the worker, and returns the exit status. Single-threaded, with SIGTERM, SIGINT,
// SIGHUP and SIGCHLD blocked since before the mount was made (block_signals). `options` are the worker's.
int keep_mounted(Segment& segment, Mountpoint& mountpoint, const WorkerOptions& options,
                 const std::shared_ptr<spdlog::logger>& log);

void block_signals();

}  // namespace copper
