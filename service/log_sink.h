// Where a log's lines go: a file, or standard output, written by a thread of its own. What they are on may
// hang with the rest of storage, and nobody who has something to say may wait for that. Lines that find no
// room are dropped, and the next line says how many.
//
// Any thread. A process that was forked has a thread of its own, and leaves to the other what that had not
// written yet.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <cstddef>
#include <memory>
#include <mutex>

#include "service/segment/file_descriptor.h"

namespace copper {

class LogSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  static constexpr std::size_t lines_max = 1024;

  explicit LogSink(FileDescriptor file);  // to be appended to
  ~LogSink() override;                    // flushes

 private:
  struct Writer;

  void sink_it_(const spdlog::details::log_msg& message) override;
  // Until all is written, at most for half a second.
  void flush_() override;
  Writer& writer();

  std::shared_ptr<FileDescriptor> file_;
  std::shared_ptr<Writer>* writer_ = nullptr;  // of the process `pid_`: of another one nothing can be touched
  int pid_ = 0;
};

}  // namespace copper
