// See parent.h.
#include "fuse_frontend/mount/parent.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <system_error>

#include "fuse_frontend/view/inodes.h"

namespace copper {
namespace {

constexpr auto end_patience = std::chrono::seconds{5};

sigset_t watched_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::sigaddset(&set, signal);
  return set;
}

// The mount is new: the kernel knows no inode and waits for no reply.
void start_afresh(Segment& segment) {
  Inodes::clear(segment);
  for (auto& slot : segment.slots()) {
    slot.state.store(static_cast<std::uint32_t>(segment::SlotState::free), std::memory_order_relaxed);
    slot.deaths.store(0, std::memory_order_relaxed);
  }
  segment.header().parent_pid.store(static_cast<std::uint32_t>(::getpid()));
}

pid_t start_worker(Segment& segment, const Mountpoint& mountpoint, const WorkerOptions& options,
                   const std::shared_ptr<spdlog::logger>& log) {
  log->flush();
  const auto parent = ::getpid();
  const auto worker = ::fork();
  if (worker < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (worker > 0) return worker;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  // The parent decides when it ends; a terminal's Ctrl-C is meant for the parent.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) std::signal(signal, SIG_IGN);
  const auto set = watched_signals();
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  work(segment, mountpoint.fuse_device(), options, log);
}

// The wait status of the worker where it ended; nothing where a signal asks for the end.
std::optional<int> wait_for_end(pid_t worker, spdlog::logger& log) {
  const auto set = watched_signals();
  while (true) {
    const int signal = ::sigwaitinfo(&set, nullptr);
    if (signal == SIGCHLD) {
      int status = 0;
      if (::waitpid(worker, &status, WNOHANG) == worker) return status;
    } else if (signal > 0) {
      log.info("signal {}: leaving", signal);
      return std::nullopt;
    }
  }
}

// At most for a while: a thread of it may be inside storage, which answers when it likes; the mount is gone
// anyway.
void end_worker(pid_t worker, Mountpoint& mountpoint, spdlog::logger& log) {
  ::kill(worker, SIGKILL);
  mountpoint.abort();  // another may wait in the kernel for a lock of one whom it should have replied to
  const auto set = watched_signals();
  const auto deadline = std::chrono::steady_clock::now() + end_patience;
  while (::waitpid(worker, nullptr, WNOHANG) == 0) {
    const auto rest =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (rest.count() <= 0) return log.warn("the worker, process {}, hangs inside the system", worker);
    const timespec timeout{.tv_sec = rest.count() / 1000, .tv_nsec = rest.count() % 1000 * 1'000'000};
    ::sigtimedwait(&set, nullptr, &timeout);
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
  const auto worker = start_worker(segment, mountpoint, options, log);
  const auto ended = wait_for_end(worker, *log);
  segment.header().mount_state.store(static_cast<std::uint32_t>(segment::MountState::gone));
  mountpoint.unmount();
  if (!ended) {
    end_worker(worker, mountpoint, *log);
    return 0;
  }
  mountpoint.abort();
  if (WIFEXITED(*ended) && WEXITSTATUS(*ended) == 0) return 0;
  if (WIFSIGNALED(*ended)) {
    log->error("the worker died of signal {} ({})", WTERMSIG(*ended), ::strsignal(WTERMSIG(*ended)));
  } else {
    log->error("the worker ended with status {}", WEXITSTATUS(*ended));
  }
  return 1;
}

}  // namespace copper
