// Replies to the control ioctl that are longer than one piece: the last few, each under a ticket. Any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

namespace copper {

class ControlReplies {
 public:
  using Text = std::shared_ptr<const std::string>;

  // The worker's generation: the tickets of its predecessors mean nothing here.
  explicit ControlReplies(std::uint32_t generation) : last_ticket_(std::uint64_t{generation} << 32) {}

  std::uint64_t keep(Text text);          // returns its ticket, never 0
  Text find(std::uint64_t ticket) const;  // null where it is not kept any more

 private:
  static constexpr std::size_t kept = 8;

  mutable std::mutex mutex_;  // guards all below
  std::uint64_t last_ticket_;
  std::deque<std::pair<std::uint64_t, Text>> texts_;
};

}  // namespace copper
