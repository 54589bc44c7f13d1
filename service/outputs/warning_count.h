// How many lines of level warning and above a log has got since it was last asked. Any thread.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <atomic>
#include <cstdint>

namespace copper {

class WarningCount : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  WarningCount() { set_level(spdlog::level::warn); }

  std::uint64_t take() { return lines_.exchange(0, std::memory_order_relaxed); }

 private:
  void sink_it_(const spdlog::details::log_msg&) override { lines_.fetch_add(1, std::memory_order_relaxed); }
  void flush_() override {}

  std::atomic<std::uint64_t> lines_{0};
};

}  // namespace copper
