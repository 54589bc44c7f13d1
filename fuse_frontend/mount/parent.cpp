// See parent.h.
#include "fuse_frontend/mount/parent.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>

#include "fuse_frontend/count.h"
#include "fuse_frontend/mount/worker_process.h"
#include "fuse_frontend/view/absent_names.h"
#include "fuse_frontend/view/inodes.h"

namespace copper {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// When the next worker may start.
class Succession {
 public:
  // After one that lived so long; nothing: there is no use in another.
  std::optional<milliseconds> pause(steady_clock::duration lived) {
    brief_ = lived < brief_life ? brief_ + 1 : 0;
    if (brief_ >= brief_max) return std::nullopt;
    if (brief_ <= brief_free) return milliseconds{0};
    return std::min(longest_pause, milliseconds{10} * (1 << (brief_ - brief_free - 1)));
  }

 private:
  static constexpr auto brief_life = milliseconds{100};
  static constexpr int brief_free = 5;
  static constexpr int brief_max = 20;
  static constexpr auto longest_pause = milliseconds{1000};
  int brief_ = 0;  // lives in a row
};

void set_state(segment::RequestSlot& slot, segment::SlotState state) {
  slot.state.store(static_cast<std::uint32_t>(state), std::memory_order_relaxed);
}

// The mount is new: the kernel knows no inode and waits for no reply.
void start_afresh(Segment& segment) {
  Inodes::clear(segment);
  AbsentNames::clear(segment);
  for (auto& slot : segment.slots()) set_state(slot, segment::SlotState::free);
  set_state(segment.init_slot().front(), segment::SlotState::free);
  segment.header().mount_state.store(static_cast<std::uint32_t>(segment::MountState::none));
  segment.header().parent_pid.store(static_cast<std::uint32_t>(::getpid()));
}

void take_off(Segment& segment, Mountpoint& mountpoint) {
  segment.header().mount_state.store(static_cast<std::uint32_t>(segment::MountState::gone));
  mountpoint.unmount();
}

bool mounted(const Segment& segment) {
  return segment.header().mount_state.load() == static_cast<std::uint32_t>(segment::MountState::mounted);
}

void count_death(Segment& segment) {
  count(segment.header(), segment::FuseCounter::worker_deaths);
  for (auto& slot : segment.slots()) {
    if (slot.state.load() == static_cast<std::uint32_t>(segment::SlotState::taken)) slot.deaths.fetch_add(1);
  }
}

// Workers, one after the other; the exit status.
int have_it_answered(Segment& segment, Mountpoint& mountpoint, const WorkerOptions& options,
                     const std::shared_ptr<spdlog::logger>& log) {
  Succession succession;
  while (true) {
    const auto began = steady_clock::now();
    WorkerProcess worker(segment, mountpoint, options, log);
    if (const auto signal = worker.wait()) {
      log->info("signal {}: leaving", *signal);
      take_off(segment, mountpoint);
      worker.kill(mountpoint, *log);
      return 0;
    }
    if (worker.succeeded()) return 0;
    const auto pause = succession.pause(steady_clock::now() - began);
    log->error("the worker, {}{}", worker.end(),
               !mounted(segment) ? ", before the mount answered"
               : pause           ? ""
                                 : ": one too many; the mount ends");
    if (!mounted(segment) || !pause) return 1;
    if (worker.began()) count_death(segment);
    if (signal_within(*pause)) return 0;
  }
}

}  // namespace

void block_signals() {
  const auto set = watched_signals();
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) {
    throw std::system_error(errno, std::generic_category(), "sigprocmask");
  }
}

int keep_mounted(Segment& segment, Mountpoint& mountpoint, const WorkerOptions& options,
                 const std::shared_ptr<spdlog::logger>& log) {
  start_afresh(segment);
  const int status = have_it_answered(segment, mountpoint, options, log);
  take_off(segment, mountpoint);
  mountpoint.abort();
  return status;
}

}  // namespace copper
