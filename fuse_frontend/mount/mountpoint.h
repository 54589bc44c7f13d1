// The place in the file system where the mount is, and the mount itself: made by libfuse, which asks
// fusermount3 where the user may not mount. One thread; nothing of it is used by the worker but the
// descriptor.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "fuse_frontend/kernel/fuse.h"
#include "service/segment/file_descriptor.h"

namespace copper {

class Mountpoint {
 public:
  // Looks, and mounts nothing yet. Throws Refusal: no /dev/fuse, no fusermount3 where it is needed, the
  // directory missing, no directory, another user's or open to everybody, not writable, or a mount already.
  explicit Mountpoint(const std::filesystem::path& directory);
  Mountpoint(const Mountpoint&) = delete;
  ~Mountpoint() { unmount(); }

  // Read-only. Throws Refusal where the system does not let us. Once.
  void mount();

  const std::string& path() const { return path_; }
  // Of what is mounted:
  int fuse_device() const { return fuse_device_; }       // /dev/fuse
  const std::string& device() const { return device_; }  // "major:minor"
  int abort_file() const { return abort_file_.get(); }   // a byte written to it is abort(); -1: there is none

  // Takes the mount off the file system, at once even where it is busy. Once; then nothing.
  void unmount();
  // Ends what the kernel still waits for on the mount: with an error, for those who use it. Nothing where
  // fusectl is not mounted (/sys/fs/fuse/connections).
  void abort();

 private:
  struct Destroy {
    void operator()(fuse_session* session) const { fuse_session_destroy(session); }
  };

  std::string path_;
  std::unique_ptr<fuse_session, Destroy> session_;  // which answers nothing: it only mounts and unmounts
  int fuse_device_ = -1;
  std::string device_;
  FileDescriptor abort_file_;  // of this mount for good, as its device's number is not
};

}  // namespace copper
