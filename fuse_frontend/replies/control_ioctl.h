// The ioctl through which the `copper` command reaches the rank: see control.h. On the mount's root only.
#pragma once

#include <cstddef>
#include <span>

#include "fuse_frontend/async.h"
#include "fuse_frontend/control.h"
#include "fuse_frontend/lane.h"

namespace copper {

Task control_ioctl(Lane& lane, Request request, control::Exchange exchange);

}  // namespace copper
