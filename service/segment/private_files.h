// Files that no other user can have made or may write: every one is checked by its open descriptor, never by
// name, and no symbolic link is followed at its last component. Each function throws Refusal with the path
// and the reason.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

#include "service/segment/file_descriptor.h"

namespace copper {

class PrivateDirectory {
 public:
  // The directory must exist, belong to this user, and be closed to everyone else.
  explicit PrivateDirectory(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  int fd() const { return fd_.get(); }

  // An existing regular file, for reading and writing; nothing where there is none.
  std::optional<FileDescriptor> open_file(const std::string& name) const;
  // A new file without a name, for reading and writing; and its name, once it is complete: false where
  // another file has the name already.
  FileDescriptor make_file() const;
  bool link_file(int file, const std::string& name) const;

  // A FIFO, for reading and writing, non-blocking; made where it is missing.
  FileDescriptor make_fifo(const std::string& name) const;
  FileDescriptor open_fifo(const std::string& name) const;

  void unlink(const std::string& name) const;  // which may be gone already

 private:
  [[noreturn]] void refuse(const std::string& name, const std::string& reason) const;
  void check(int fd, const std::string& name, mode_t type) const;

  std::filesystem::path path_;
  FileDescriptor fd_;
};

// The text of an errno, as strerror gives it.
std::string error_text(int error);

}  // namespace copper
