// See mountpoint.h.
#include "fuse_frontend/mount/mountpoint.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "service/refusal.h"
#include "service/storage/mounts.h"

namespace copper {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, std::string_view reason) {
  throw Refusal(fmt::format("{}: {}", path.string(), reason));
}

void check_device() {
  if (!FileDescriptor(::open("/dev/fuse", O_RDWR | O_CLOEXEC))) {
    refuse("/dev/fuse", fmt::format("{}: is FUSE available here?", std::strerror(errno)));
  }
}

void check_fusermount() {
  if (::geteuid() == 0) return;
  const char* path = std::getenv("PATH");
  std::istringstream directories(std::string(path != nullptr ? path : "") + ":/usr/bin:/bin:/usr/local/bin");
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (::access((directory + "/fusermount3").c_str(), X_OK) == 0) return;
  }
  throw Refusal("fusermount3 is missing, which an ordinary user needs to mount (package fuse3)");
}

bool mounted_at(const std::string& path) {
  const auto table = mounts();
  return std::any_of(table.begin(), table.end(),
                     [&](const MountedAt& mounted) { return mounted.path == path; });
}

// The directory with its links resolved. The last component is not looked at before it is known that it is no
// mount: the mount's server may hang or be gone.
std::string checked(const std::filesystem::path& directory) {
  std::error_code error;
  auto whole = std::filesystem::absolute(directory).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  const auto above = std::filesystem::canonical(whole.parent_path(), error);
  if (error) refuse(directory, error.message());
  if (mounted_at((above / whole.filename()).string())) refuse(directory, "something is mounted here already");
  const auto path = std::filesystem::canonical(whole, error);
  if (error) refuse(directory, error.message());
  if (mounted_at(path.string())) refuse(directory, "something is mounted here already");
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) refuse(directory, std::strerror(errno));
  if (!S_ISDIR(st.st_mode)) refuse(directory, "not a directory");
  if (st.st_uid != 0 && st.st_uid != ::geteuid())
    refuse(directory, fmt::format("belongs to user {}", st.st_uid));
  if ((st.st_mode & S_IWOTH) != 0) refuse(directory, "everybody may write to it");
  if (::access(path.c_str(), W_OK | X_OK) != 0)
    refuse(directory, "not writable: one mounts on a directory of one's own");
  return path.string();
}

}  // namespace

Mountpoint::Mountpoint(const std::filesystem::path& directory) {
  check_device();
  check_fusermount();
  path_ = checked(directory);
}

void Mountpoint::mount() {
  std::array<std::string, 3> words{"copper_fuse", "-o",
                                   "ro,nosuid,nodev,default_permissions,fsname=copper,subtype=copper"};
  std::array<char*, 4> arguments{words[0].data(), words[1].data(), words[2].data(), nullptr};
  fuse_args args = FUSE_ARGS_INIT(3, arguments.data());
  const fuse_lowlevel_ops none{};
  session_.reset(fuse_session_new(&args, &none, sizeof none, nullptr));
  fuse_opt_free_args(&args);
  if (!session_ || fuse_session_mount(session_.get(), path_.c_str()) != 0)
    refuse(path_, "cannot be mounted on");
  fuse_device_ = fuse_session_fd(session_.get());
  ::fcntl(fuse_device_, F_SETFD, FD_CLOEXEC);
  for (const auto& mounted : mounts()) {
    if (mounted.path == path_) device_ = mounted.device;
  }
  const auto minor = device_.substr(device_.find(':') + 1);
  abort_file_ =
      FileDescriptor(::open(("/sys/fs/fuse/connections/" + minor + "/abort").c_str(), O_WRONLY | O_CLOEXEC));
}

void Mountpoint::unmount() {
  if (session_) fuse_session_unmount(session_.get());
  session_.reset();
}

void Mountpoint::abort() { [[maybe_unused]] const auto written = ::write(abort_file(), "1", 1); }

}  // namespace copper
