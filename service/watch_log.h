// What is not as it should be, in the log: a wait on storage, or on another rank, that lasts; the first of
// what nobody asked for, and the first rank that is found dead. One thread.
#pragma once

#include <fmt/format.h>
#include <spdlog/logger.h>

#include <array>
#include <chrono>
#include <memory>
#include <utility>

#include "tree/node/node.h"

namespace copper {

class WatchLog {
 public:
  explicit WatchLog(std::shared_ptr<spdlog::logger> log) : log_(std::move(log)) {}

  void look(const Node& node, Instant now) {
    if (now < next_look_) return;
    next_look_ = now + slow_period;
    tell(node, Counter::answers_unasked, "answers came that nobody waited for");
    tell(node, Counter::messages_refused, "messages came that were not their sender's to send");
    tell(node, Counter::peers_dead, "ranks were found dead: what was asked of them is read directly");
    for (const auto& waiting : node.waiting(now, slow_shown)) {
      if (waiting.age < slow_period) continue;
      log_->warn("{} has been awaited for {} s by {}, from {}", describe(waiting.key),
                 waiting.age / std::chrono::seconds{1}, waiting.waiters,
                 waiting.in_line ? "room in the cache"
                 : waiting.on    ? fmt::format("rank {}", number(*waiting.on))
                                 : "storage");
    }
  }

 private:
  // Once, with their number by then; `copper stats` has it at any time.
  void tell(const Node& node, Counter counter, const char* what) {
    auto& told = told_[static_cast<std::size_t>(counter)];
    const auto count = node.counters()[counter];
    if (!told && count > 0) log_->warn("{} {}", count, what);
    told = told || count > 0;
  }

  static constexpr std::chrono::seconds slow_period{5};
  static constexpr std::size_t slow_shown = 5;  // the oldest

  std::shared_ptr<spdlog::logger> log_;
  Instant next_look_{};
  std::array<bool, counter_count> told_{};
};

}  // namespace copper
