// See worker_process.h.
#include "fuse_frontend/mount/worker_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

#include "service/segment/file_descriptor.h"

namespace copper {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto look_period = milliseconds{50};      // for a worker that is dead and hangs
constexpr auto lane_patience = milliseconds{1000};  // no lane is inside the kernel for so long but in a log
constexpr auto end_patience = milliseconds{5000};
constexpr auto stopped_patience = milliseconds{2000};

// The first of the watched signals, -1 where none comes in time.
int next_signal(milliseconds time) {
  const auto set = watched_signals();
  const timespec timeout{.tv_sec = time.count() / 1000, .tv_nsec = time.count() % 1000 * 1'000'000};
  return ::sigtimedwait(&set, nullptr, &timeout);
}

// Of a thread, as proc(5) has it; X where there is none, ? where that cannot be told.
char state_of(pid_t process, std::uint32_t thread) {
  const auto path = fmt::format("/proc/{}/task/{}/stat", process, thread);
  std::array<char, 1024> stat;
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto bytes = file ? ::read(file.get(), stat.data(), stat.size()) : -1;
  if (bytes < 0) return errno == ENOENT || errno == ESRCH ? 'X' : '?';
  const std::string_view text(stat.data(), static_cast<std::size_t>(bytes));
  const auto name_end = text.rfind(") ");
  return name_end == std::string_view::npos || name_end + 2 >= text.size() ? '?' : text[name_end + 2];
}

// It runs no more.
bool is_dead(char state) { return state == 'Z' || state == 'X'; }

// ---- in the worker, when its parent has died ----
// Its threads may hang inside the kernel, where no signal ends them, and hold /dev/fuse: without an end to
// the mount whoever uses it would wait as long as they do.

constexpr int orphaned = SIGUSR1;
std::atomic<pid_t> parent_of_orphan{0};
std::atomic<int> abort_file_of_orphan{-1};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<pid_t>::is_always_lock_free);

void end_orphan(int) {
  if (::getppid() == parent_of_orphan) return;  // it came from somebody else
  [[maybe_unused]] const auto written = ::write(abort_file_of_orphan, "1", 1);
  ::kill(::getpid(), SIGKILL);
}

void end_with_parent(pid_t parent, const Mountpoint& mountpoint) {
  parent_of_orphan = parent;
  abort_file_of_orphan = mountpoint.abort_file();
  struct sigaction action {};
  action.sa_handler = end_orphan;
  action.sa_flags = SA_RESTART;
  ::sigaction(orphaned, &action, nullptr);
  ::prctl(PR_SET_PDEATHSIG, orphaned);
  if (::getppid() != parent) ::_exit(1);
}

}  // namespace

sigset_t watched_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::sigaddset(&set, signal);
  return set;
}

std::optional<int> signal_within(milliseconds time) {
  const auto until = steady_clock::now() + time;
  for (auto rest = time; rest.count() > 0;
       rest = std::chrono::ceil<milliseconds>(until - steady_clock::now())) {
    if (const int signal = next_signal(rest); signal > 0 && signal != SIGCHLD) return signal;
  }
  return std::nullopt;
}

WorkerProcess::WorkerProcess(Segment& segment, const Mountpoint& mountpoint, const WorkerOptions& options,
                             const std::shared_ptr<spdlog::logger>& log)
    : segment_(segment) {
  for (auto& thread : segment.header().lane_threads) thread.store(0);
  const auto parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) error_ = errno;
  if (pid_ != 0) return;
  end_with_parent(parent, mountpoint);
  // The parent decides when it ends; a terminal's Ctrl-C is meant for the parent.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) std::signal(signal, SIG_IGN);
  const auto set = watched_signals();
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  work(segment, mountpoint.fuse_device(), options, log);
}

std::optional<int> WorkerProcess::wait() {
  if (!began()) return std::nullopt;
  auto dead_since = steady_clock::time_point::max();
  while (true) {
    const int signal = next_signal(look_period);
    if (signal == SIGCHLD) {
      if (reap()) return std::nullopt;
    } else if (signal > 0) {
      return signal;
    } else if (const char state = state_of(pid_, static_cast<std::uint32_t>(pid_)); is_dead(state)) {
      if (reap()) return std::nullopt;
      dead_since = std::min(dead_since, steady_clock::now());
      if (only_hangs() || steady_clock::now() - dead_since > lane_patience) {
        ::kill(pid_, SIGKILL);  // whatever the look was worth: two at once would answer one request
        return std::nullopt;
      }
    } else {
      dead_since = steady_clock::time_point::max();
      end_if_stopped(state);
    }
  }
}

// Looks are counted, not time: where both of them were stopped, as a scheduler suspends a job, it gets its
// time after that.
void WorkerProcess::end_if_stopped(char state) {
  stopped_looks_ = state == 'T' ? stopped_looks_ + 1 : 0;
  if (stopped_looks_ * look_period >= stopped_patience) ::kill(pid_, SIGKILL);
}

// One signal may stand for the end of several: former workers that hung are among them.
bool WorkerProcess::reap() {
  int status = 0;
  for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (ended == pid_) status_ = status;
  }
  return status_.has_value();
}

bool WorkerProcess::only_hangs() const {
  return std::ranges::all_of(segment_.header().lane_threads, [this](const segment::AtomicU32& thread) {
    const auto number = thread.load();
    return number == 0 || is_dead(state_of(pid_, number));
  });
}

std::string WorkerProcess::end() const {
  if (!began()) return fmt::format("not forked: {}", ::strerror(error_));
  if (!status_) return fmt::format("process {} was killed and hangs inside the system", pid_);
  if (WIFSIGNALED(*status_))
    return fmt::format("process {} died of signal {} ({}){}", pid_, WTERMSIG(*status_),
                       ::strsignal(WTERMSIG(*status_)), stopped_looks_ > 0 ? ", since it was stopped" : "");
  return fmt::format("process {} ended with status {}", pid_, WEXITSTATUS(*status_));
}

void WorkerProcess::kill(Mountpoint& mountpoint, spdlog::logger& log) {
  ::kill(pid_, SIGKILL);
  mountpoint.abort();  // another may wait in the kernel for a lock of one whom it should have replied to
  const auto deadline = steady_clock::now() + end_patience;
  while (!reap()) {
    const auto rest = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (rest.count() <= 0) return log.warn("the worker, process {}, hangs inside the system", pid_);
    next_signal(rest);
  }
}

}  // namespace copper
