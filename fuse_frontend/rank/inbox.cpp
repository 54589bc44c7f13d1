// See inbox.h.
#include "fuse_frontend/rank/inbox.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <system_error>

namespace copper {

Inbox::Inbox() : bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!bell_) throw std::system_error(errno, std::generic_category(), "eventfd");
}

void Inbox::leave(Item item) {
  {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
  }
  ring();
}

void Inbox::ring() { ::eventfd_write(bell_.get(), 1); }

void Inbox::run() {
  eventfd_t rings = 0;
  ::eventfd_read(bell_.get(), &rings);
  std::vector<Item> items;
  {
    const std::lock_guard lock(mutex_);
    items.swap(items_);
  }
  for (const auto& item : items) item();
}

}  // namespace copper
