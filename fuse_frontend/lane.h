// A lane: one thread that takes requests from the kernel, asks the rank, and replies when the answer is
// there. It never blocks on a miss: an event loop over /dev/fuse, the lane's bell in the segment, and its
// inbox, with a coroutine for each request that waits.
//
// Everything here runs on the lane's thread, unless it says otherwise.
#pragma once

#include <spdlog/logger.h>

#include <coroutine>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

#include "fuse_frontend/clock.h"
#include "fuse_frontend/count.h"
#include "fuse_frontend/forgetter.h"
#include "fuse_frontend/kernel/notifier.h"
#include "fuse_frontend/kernel/request.h"
#include "fuse_frontend/kernel/slots.h"
#include "fuse_frontend/rank/inbox.h"
#include "fuse_frontend/rank/questions.h"
#include "fuse_frontend/recorder.h"
#include "fuse_frontend/replies/control_replies.h"
#include "fuse_frontend/view/absent_names.h"
#include "fuse_frontend/view/held_blocks.h"
#include "fuse_frontend/view/inodes.h"
#include "fuse_frontend/view/links.h"
#include "fuse_frontend/view/view.h"
#include "service/segment/segment.h"

namespace copper {

// What a worker's lanes share; each for any thread.
struct Shared {
  Segment& segment;
  fuse_session* session;
  int device;  // /dev/fuse, non-blocking
  Inodes& inodes;
  View& view;
  const Links& links;
  HeldBlocks& held_blocks;
  LargeFiles& large_files;
  NodePace& direct_pace;  // of reading storage without the rank
  AbsentNames& absent;
  Notifier& notifier;
  Forgetter& forgetter;
  ControlReplies& control;
  std::shared_ptr<spdlog::logger> log;
  Recorder* recorder;  // null: nothing is recorded
};

class Lane {
 public:
  Lane(const Shared& shared, Questions::Options options);
  Lane(const Lane&) = delete;

  // Until the mount is gone.
  void run();

  // For whoever answers a request:
  const Shared& shared() const { return shared_; }
  Questions& questions() { return questions_; }
  // The one just read; once.
  Request accept(fuse_req_t request, segment::FuseOperation operation, Recording recording = {});
  void count(segment::FuseCounter counter) { copper::count(shared_.segment.header(), counter); }

  // The directory of a nodeid: ESTALE where the kernel should not know it, ENOTDIR, ENAMETOOLONG.
  Result<View::DirectoryRef> directory(Nodeid id);
  void forget(Nodeid id, std::uint64_t lookups);
  void take_forget(std::span<const fuse_forget_data> forgets);  // the request just read
  Inbox& inbox() { return inbox_; }

  // co_await lane.notified(d): the kernel has been told all that the notifier was given so far, or d is over.
  class Notified;
  Notified notified(Duration at_most);

 private:
  friend class Notified;
  using Wait = std::uint64_t;

  void take_over();
  bool read_request();
  void serve(std::size_t slot);
  void give_up(std::size_t slot);
  void count_request(std::uint32_t opcode);
  void listen(bool on);
  void sleep();
  void wake(Wait wait);
  void wake_due(Instant now);
  void take_completions();
  void notice(const Noticed& noticed);
  void clear(const Noticed& noticed);

  const Shared shared_;
  const std::uint32_t number_;
  Inbox inbox_;
  Slots slots_;
  Questions questions_;
  FileDescriptor epoll_;
  bool listening_ = false;
  bool gone_ = false;                     // the mount is
  std::optional<std::size_t> unclaimed_;  // the slot of the request being taken
  Wait last_wait_ = 0;
  std::unordered_map<Wait, std::coroutine_handle<>> waits_;
  std::multimap<Instant, Wait> due_;
};

class Lane::Notified {
 public:
  Notified(Lane& lane, Duration at_most) : lane_(lane), at_most_(at_most) {}

  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> waiter);
  void await_resume() const {}

 private:
  Lane& lane_;
  const Duration at_most_;
};

}  // namespace copper
