// A worker's libfuse session: it parses requests and writes replies, and never reads, mounts or unmounts. Any
// thread may process requests once INIT is answered.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "fuse_frontend/kernel/fuse.h"
#include "fuse_frontend/replies/operations.h"
#include "service/segment/file_descriptor.h"

namespace copper {

class Session {
 public:
  // `device` (/dev/fuse) must outlive this. Throws std::runtime_error.
  Session(int device, Lanes& lanes);

  fuse_session* get() const { return session_.get(); }

  // Takes in the kernel's INIT, and answers it where no former worker has. Throws std::runtime_error where
  // the kernel and libfuse do not agree.
  void initialize(std::span<std::byte> request);

 private:
  struct Destroy {
    void operator()(fuse_session* session) const { fuse_session_destroy(session); }
  };

  const int device_;
  FileDescriptor init_replies_;  // what libfuse writes before INIT is answered
  int session_fd_ = -1;          // libfuse's: first the other end of that pipe, then the device
  std::unique_ptr<fuse_session, Destroy> session_;
};

}  // namespace copper
