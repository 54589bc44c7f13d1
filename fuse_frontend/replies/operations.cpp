// See operations.h. What is not in the table libfuse answers with ENOSYS: extended attributes, locks (which
// then stay in the kernel), lseek (whose holes the kernel then makes up itself), access (the kernel checks
// permissions).
#include "fuse_frontend/replies/operations.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fuse_frontend/replies/control_ioctl.h"
#include "fuse_frontend/replies/lookup.h"
#include "fuse_frontend/replies/read.h"
#include "fuse_frontend/replies/readdir.h"
#include "tree/limits.h"

namespace copper {
namespace {

using segment::FuseOperation;

Lane& here(fuse_req_t request) { return static_cast<Lanes*>(fuse_req_userdata(request))->here(); }

// The request's place in the recording, where there is a recorder. `name`: of a lookup.
Recording recording(const Lane& lane, TraceOp op, fuse_ino_t id, const char* name = nullptr,
                    std::uint64_t from = 0, std::uint64_t count = 1) {
  const auto& shared = lane.shared();
  if (shared.recorder == nullptr) return {};
  const auto path = shared.inodes.path(id);
  if (!path.ok()) return {};
  return shared.recorder->begin(op, name == nullptr ? *path : join_path(*path, name), from, count);
}

Recording recording_of_read(const Lane& lane, fuse_ino_t id, std::size_t size, off_t offset) {
  const auto begin = static_cast<std::uint64_t>(offset);
  const auto first = begin / limits::block_bytes;
  const auto last = (begin + std::clamp(size, std::size_t{1}, limits::block_bytes) - 1) / limits::block_bytes;
  return recording(lane, TraceOp::read, id, nullptr, first, last - first + 1);
}

void init(void*, fuse_conn_info* connection) {
  constexpr unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_AUTO_INVAL_DATA |
                              FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_CACHE_SYMLINKS |
                              FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT | FUSE_CAP_IOCTL_DIR;
  connection->want = connection->capable & wanted;
  connection->max_write = 4096;  // so that a request fits a slot; the mount is read-only
  connection->max_background = 1024;
  connection->time_gran = 1;
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  auto& lane = here(request);
  lookup(lane, lane.accept(request, FuseOperation::lookup, recording(lane, TraceOp::lookup, parent, name)),
         parent, name);
}

void on_forget(fuse_req_t request, fuse_ino_t id, std::uint64_t lookups) {
  const fuse_forget_data forget{.ino = id, .nlookup = lookups};
  here(request).take_forget({&forget, 1});
  fuse_reply_none(request);
}

void on_forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
  here(request).take_forget({forgets, count});
  fuse_reply_none(request);
}

void on_getattr(fuse_req_t request, fuse_ino_t id, fuse_file_info*) {
  auto& lane = here(request);
  getattr(lane, lane.accept(request, FuseOperation::getattr, recording(lane, TraceOp::getattr, id)), id);
}

void on_readlink(fuse_req_t request, fuse_ino_t id) {
  auto& lane = here(request);
  readlink(lane, lane.accept(request, FuseOperation::readlink, recording(lane, TraceOp::readlink, id)), id);
}

// The kernel asks once, and then opens without us, with its caches kept.
void on_open(fuse_req_t request, fuse_ino_t, fuse_file_info*) { fuse_reply_err(request, ENOSYS); }

void on_read(fuse_req_t request, fuse_ino_t id, std::size_t size, off_t offset, fuse_file_info*) {
  auto& lane = here(request);
  read(lane, lane.accept(request, FuseOperation::read, recording_of_read(lane, id, size, offset)), id, size,
       offset);
}

template <bool plus>
void on_readdir(fuse_req_t request, fuse_ino_t id, std::size_t size, off_t offset, fuse_file_info*) {
  auto& lane = here(request);
  auto recorded = recording(lane, TraceOp::readdir, id, nullptr, static_cast<std::uint64_t>(offset));
  constexpr auto operation = plus ? FuseOperation::readdirplus : FuseOperation::readdir;
  readdir(lane, lane.accept(request, operation, std::move(recorded)), id, std::min(size, limits::block_bytes),
          offset, plus);
}

void on_statfs(fuse_req_t request, fuse_ino_t id) {
  auto& lane = here(request);
  statfs(lane, lane.accept(request, FuseOperation::statfs, recording(lane, TraceOp::statfs, id)), id);
}

void on_ioctl(fuse_req_t request, fuse_ino_t id, unsigned command, void*, fuse_file_info*, unsigned flags,
              const void* in, std::size_t in_bytes, std::size_t out_bytes) {
  auto& lane = here(request);
  control::Exchange exchange;
  if (id != root_nodeid || (flags & FUSE_IOCTL_DIR) == 0 ||
      command != static_cast<unsigned>(control::request) || in == nullptr || in_bytes != sizeof exchange ||
      out_bytes != sizeof exchange) {
    const auto recorded = recording(lane, TraceOp::ioctl, id);
    fuse_reply_err(request, ENOTTY);
    return;
  }
  std::memcpy(&exchange, in, sizeof exchange);
  control_ioctl(lane, lane.accept(request, FuseOperation::ioctl), exchange);
}

constexpr fuse_lowlevel_ops make_table() {
  fuse_lowlevel_ops table{};
  table.init = init;
  table.lookup = on_lookup;
  table.forget = on_forget;
  table.forget_multi = on_forget_multi;
  table.getattr = on_getattr;
  table.readlink = on_readlink;
  table.open = on_open;
  table.opendir = on_open;
  table.read = on_read;
  table.readdir = on_readdir<false>;
  table.readdirplus = on_readdir<true>;
  table.statfs = on_statfs;
  table.ioctl = on_ioctl;
  return table;
}

constexpr fuse_lowlevel_ops table = make_table();

}  // namespace

const fuse_lowlevel_ops& operations() { return table; }

}  // namespace copper
