// The parent process: it holds the mount and its /dev/fuse, and starts the workers that answer, one after the
// other. So small that it does not fail, and so it can see to it that no dead mount stays behind.
#pragma once

#include <spdlog/logger.h>

#include <memory>

#include "fuse_frontend/mount/mountpoint.h"
#include "fuse_frontend/worker.h"
#include "service/segment/segment.h"

namespace copper {

// Forks the worker, and another in place of each that dies, and stays until a signal asks for the end (0),
// someone else unmounted (0), or workers can do nothing here (1): the first died before the mount answered,
// or twenty in a row lived less than 100 ms each, or could not be forked. Unmounts, ends the worker, and
// returns the exit status.
//
// A successor starts at once; after five in a row that lived less than 100 ms it waits, 10 ms and then twice
// as long each time, up to a second. Single-threaded, with SIGTERM, SIGINT, SIGHUP and SIGCHLD blocked since
// before the mount was made (block_signals). `options` are the workers'.
int keep_mounted(Segment& segment, Mountpoint& mountpoint, const WorkerOptions& options,
                 const std::shared_ptr<spdlog::logger>& log);

void block_signals();

}  // namespace copper
