// The one place where libfuse's header comes in.
#pragma once

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>
