// See control_replies.h.
#include "fuse_frontend/replies/control_replies.h"

#include <utility>

namespace copper {

std::uint64_t ControlReplies::keep(Text text) {
  const std::lock_guard lock(mutex_);
  texts_.emplace_back(++last_ticket_, std::move(text));
  if (texts_.size() > kept) texts_.pop_front();
  return last_ticket_;
}

ControlReplies::Text ControlReplies::find(std::uint64_t ticket) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [number, text] : texts_) {
    if (number == ticket) return text;
  }
  return nullptr;
}

}  // namespace copper
