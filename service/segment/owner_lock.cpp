// A process is named by a descriptor of it (pidfd), so that a pid used again is never signalled.
#include "service/segment/owner_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "service/segment/file_descriptor.h"

namespace copper {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds between_looks{
    10};  // another holder than the named process is not announced by anything

struct flock lock_of(LockByte byte) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(byte);
  lock.l_len = 1;
  return lock;
}

// A running copper_service of this user; its descriptor keeps meaning that process when the pid is used
// again.
class FormerService {
 public:
  explicit FormerService(pid_t pid) {
    if (pid <= 0 || pid == ::getpid()) return;
    FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process) return;
    const std::string directory = fmt::format("/proc/{}", pid);
    struct stat st {};
    std::string name;
    std::getline(std::ifstream(directory + "/comm"), name);
    if (::stat(directory.c_str(), &st) != 0 || st.st_uid != ::geteuid() || name != "copper_service") return;
    process_ = std::move(process);
  }

  explicit operator bool() const { return static_cast<bool>(process_); }
  void signal(int number) const { ::syscall(SYS_pidfd_send_signal, process_.get(), number, nullptr, 0); }

  // Until it has ended, at most `time`; without a process, all of the time.
  void wait(milliseconds time) {
    pollfd end{process_.get(), POLLIN, 0};
    if (::poll(&end, 1, static_cast<int>(time.count())) > 0) process_ = FileDescriptor();
  }

 private:
  FileDescriptor process_;
};

}  // namespace

bool try_lock(int file, LockByte byte) {
  auto lock = lock_of(byte);
  return ::fcntl(file, F_OFD_SETLK, &lock) == 0;
}

bool is_locked(int file, LockByte byte) {
  auto lock = lock_of(byte);
  return ::fcntl(file, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

bool take_service_lock(int file, const std::atomic<std::uint32_t>& owner_pid,
                       steady_clock::time_point deadline) {
  const auto begin = steady_clock::now();
  const auto kill_at = begin + (deadline - begin) / 2;
  bool asked = false;
  bool killed = false;
  while (!try_lock(file, LockByte::service)) {
    const auto now = steady_clock::now();
    if (now >= deadline) return false;
    FormerService former(static_cast<pid_t>(owner_pid.load()));
    if (former && !asked) {
      former.signal(SIGTERM);
      asked = true;
    } else if (former && !killed && now >= kill_at) {
      former.signal(SIGKILL);
      killed = true;
    }
    const auto rest = std::chrono::ceil<milliseconds>(deadline - now);
    former.wait(std::min(rest, between_looks));
  }
  return true;
}

}  // namespace copper
