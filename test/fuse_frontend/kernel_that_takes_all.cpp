// A kernel that takes every reply, for programs that are linked without libfuse.
#include "fuse_frontend/kernel/fuse.h"

int fuse_reply_err(fuse_req_t, int) { return 0; }
int fuse_reply_entry(fuse_req_t, const fuse_entry_param*) { return 0; }
int fuse_reply_attr(fuse_req_t, const struct stat*, double) { return 0; }
int fuse_reply_readlink(fuse_req_t, const char*) { return 0; }
int fuse_reply_iov(fuse_req_t, const iovec*, int) { return 0; }
int fuse_reply_statfs(fuse_req_t, const struct statvfs*) { return 0; }
int fuse_reply_ioctl(fuse_req_t, int, const void*, size_t) { return 0; }
void fuse_req_interrupt_func(fuse_req_t, fuse_interrupt_func_t, void*) {}
