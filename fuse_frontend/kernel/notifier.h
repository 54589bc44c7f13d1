// Tells the kernel to drop what it caches. A thread of its own, which answers no request and holds no lock or
// lease: the kernel may make it wait for a lock that a caller of the mount holds until we reply. So replies
// never wait for it unboundedly.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "fuse_frontend/kernel/fuse.h"
#include "fuse_frontend/view/inodes.h"
#include "service/segment/layout.h"

namespace copper {

// Any thread calls. Lives as long as the worker: its thread may be inside the kernel and is never joined.
class Notifier {
 public:
  Notifier(fuse_session* session, segment::Header& header);
  Notifier(const Notifier&) = delete;

  void entry(Nodeid parent, std::string name);  // the dentry, and what it leads to
  void inode(Nodeid id);                        // attributes, and pages: of a directory the cached names

  // Calls `then` on the notifier's thread after all that was said before. False, and no call, where that is
  // done.
  bool after(std::function<void()> then);
  // The same, where nothing was said before too.
  using Item = std::function<void()>;
  void say(Item item);

  // On the notifier's thread, at once.
  enum class What { attributes, all };
  void drop_entry(Nodeid parent, const std::string& name);
  void drop_inode(Nodeid id, What what);

 private:
  void run();

  fuse_session* const session_;
  segment::Header& header_;
  std::mutex mutex_;
  std::condition_variable something_;
  std::deque<Item> items_;  // under mutex_, as is
  bool busy_ = false;
};

}  // namespace copper
