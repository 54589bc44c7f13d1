// A request of the kernel: the debt of exactly one reply. Whoever destroys it unpaid pays with EIO.
//
// Moved and paid on its lane's thread; one other hand may pay: the thread that reads the kernel's INTERRUPT
// replies EINTR at once, and the lane then gives up the question that the request waits for (its fetch goes
// on at the rank).
#pragma once

#include <sys/statvfs.h>
#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "fuse_frontend/kernel/fuse.h"
#include "fuse_frontend/kernel/slots.h"
#include "fuse_frontend/rank/inbox.h"
#include "fuse_frontend/recorder.h"
#include "fuse_frontend/view/view.h"
#include "service/segment/layout.h"
#include "tree/result.h"

namespace copper {

class Asked;

class Request {
 public:
  struct Place {  // all outlive the request
    Slots& slots;
    Inbox& inbox;
    segment::Header& header;              // for the counters
    segment::SharedLatencies& latencies;  // of its operation, on its lane
  };
  // Read just now.
  Request(fuse_req_t request, std::size_t slot, const Place& place, Recording recording, Epoch began);
  Request(Request&&) noexcept = default;
  Request& operator=(Request&&) = delete;
  ~Request();

  // Each pays. True where the kernel took it: not where the request had been interrupted.
  bool error(Errno error);
  bool entry(const fuse_entry_param& entry);
  bool attributes(const struct stat& attributes, double timeout);
  bool link(const std::string& target);
  bool bytes(std::span<const iovec> pieces);
  bool filesystem(const struct statvfs& filesystem);
  bool control(std::span<const std::byte> out);

  Recording& recording();
  Epoch began() const;  // in which epoch of the view

 private:
  friend class Asked;
  struct Debt;

  // The question that the request is about to wait for. From the first on the request can be interrupted;
  // false where it has been already.
  bool waits_for(Asked& asked);
  void waits_no_more();

  bool pay(const std::function<int(fuse_req_t)>& reply, std::size_t bytes = 0, bool failed = false);
  static void on_interrupt(fuse_req_t request, void* debt);

  std::shared_ptr<Debt> debt_;
};

}  // namespace copper
