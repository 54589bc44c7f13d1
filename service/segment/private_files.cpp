// Opening never follows a symbolic link and never blocks; what was opened is then judged by fstat.
#include "service/segment/private_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "service/refusal.h"

namespace copper {
namespace {

constexpr mode_t private_mode = 0600;
constexpr int open_flags = O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;

}  // namespace

std::string error_text(int error) { return std::generic_category().message(error); }

PrivateDirectory::PrivateDirectory(std::filesystem::path path)
    : path_(std::move(path)), fd_(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) {
  if (!fd_) refuse("", error_text(errno));
  check(fd_.get(), "", S_IFDIR);
}

void PrivateDirectory::refuse(const std::string& name, const std::string& reason) const {
  throw Refusal(fmt::format("{}: {}", (name.empty() ? path_ : path_ / name).native(), reason));
}

void PrivateDirectory::check(int fd, const std::string& name, mode_t type) const {
  struct stat st {};
  if (::fstat(fd, &st) != 0) refuse(name, error_text(errno));
  if ((st.st_mode & S_IFMT) != type) refuse(name, "is of the wrong file type");
  if (st.st_uid != ::geteuid()) {
    refuse(name, fmt::format("belongs to user {}, not to user {}", st.st_uid, ::geteuid()));
  }
  if ((st.st_mode & 077) != 0) {
    refuse(name, fmt::format("mode {:04o} lets other users in", st.st_mode & 07777));
  }
}

std::optional<FileDescriptor> PrivateDirectory::open_file(const std::string& name) const {
  FileDescriptor file(::openat(fd(), name.c_str(), open_flags));
  if (!file) {
    if (errno == ENOENT) return std::nullopt;
    refuse(name, errno == ELOOP ? "is a symbolic link" : error_text(errno));
  }
  check(file.get(), name, S_IFREG);
  return file;
}

FileDescriptor PrivateDirectory::make_file() const {
  FileDescriptor file(::openat(fd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, private_mode));
  if (!file) refuse("", fmt::format("no file can be made here: {}", error_text(errno)));
  if (::fchmod(file.get(), private_mode) != 0) refuse("", error_text(errno));
  return file;
}

bool PrivateDirectory::link_file(int file, const std::string& name) const {
  const std::string self = fmt::format("/proc/self/fd/{}", file);
  if (::linkat(AT_FDCWD, self.c_str(), fd(), name.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
  if (errno == EEXIST) return false;
  refuse(name, error_text(errno));
}

FileDescriptor PrivateDirectory::make_fifo(const std::string& name) const {
  if (::mkfifoat(fd(), name.c_str(), private_mode) != 0 && errno != EEXIST) refuse(name, error_text(errno));
  return open_fifo(name);
}

FileDescriptor PrivateDirectory::open_fifo(const std::string& name) const {
  FileDescriptor fifo(::openat(fd(), name.c_str(), open_flags));
  if (!fifo) refuse(name, errno == ELOOP ? "is a symbolic link" : error_text(errno));
  check(fifo.get(), name, S_IFIFO);
  return fifo;
}

void PrivateDirectory::unlink(const std::string& name) const { ::unlinkat(fd(), name.c_str(), 0); }

}  // namespace copper
