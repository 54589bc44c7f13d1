// See notifier.h. The kernel's answer is of no interest: ENOENT says that it did not cache the thing.
#include "fuse_frontend/kernel/notifier.h"

#include <utility>

#include "fuse_frontend/count.h"

namespace copper {

Notifier::Notifier(fuse_session* session, segment::Header& header) : session_(session), header_(header) {
  std::thread([this] { run(); }).detach();
}

void Notifier::entry(Nodeid parent, std::string name) {
  say([this, parent, name = std::move(name)] { drop_entry(parent, name); });
}

void Notifier::inode(Nodeid id) {
  say([this, id] { drop_inode(id, What::all); });
}

void Notifier::drop_entry(Nodeid parent, const std::string& name) {
  count(header_, segment::FuseCounter::notify_entry);
  fuse_lowlevel_notify_inval_entry(session_, parent, name.c_str(), name.size());
}

// A negative offset spares the pages.
void Notifier::drop_inode(Nodeid id, What what) {
  count(header_, segment::FuseCounter::notify_inode);
  fuse_lowlevel_notify_inval_inode(session_, id, what == What::all ? 0 : -1, 0);
}

bool Notifier::after(std::function<void()> then) {
  const std::lock_guard lock(mutex_);
  if (items_.empty() && !busy_) return false;
  items_.push_back(std::move(then));
  return true;
}

void Notifier::say(Item item) {
  {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
  }
  something_.notify_one();
}

void Notifier::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    busy_ = false;
    something_.wait(lock, [this] { return !items_.empty(); });
    busy_ = true;
    const auto item = std::move(items_.front());
    items_.pop_front();
    lock.unlock();
    item();
    lock.lock();
  }
}

}  // namespace copper
