// See log_sink.h. The thread may still be held by the file system when the rest is gone: it keeps Writer
// alive.
#include "service/log_sink.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace copper {
namespace {

constexpr auto flush_patience = std::chrono::milliseconds{500};

void write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(file, text.data(), text.size());
    if (written < 0 && errno != EINTR) return;  // a full disk, say: the line is lost
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
  }
}

}  // namespace

struct LogSink::Writer {
  explicit Writer(std::shared_ptr<FileDescriptor> to) : file(std::move(to)) {}

  const std::shared_ptr<FileDescriptor> file;
  std::mutex mutex;  // guards what follows
  std::condition_variable put;
  std::condition_variable written;
  std::deque<std::string> lines;  // the first may be being written
  std::size_t dropped = 0;        // since the last line that found room
  bool closed = false;

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      put.wait(lock, [this] { return closed || !lines.empty(); });
      if (lines.empty()) return;
      const auto& line = lines.front();
      lock.unlock();
      write_all(file->get(), line);
      lock.lock();
      lines.pop_front();
      if (lines.empty()) written.notify_all();
    }
  }

  void add(std::string line) {
    const std::lock_guard lock(mutex);
    if (lines.size() >= lines_max) {
      ++dropped;
      return;
    }
    if (const auto lost = std::exchange(dropped, 0); lost > 0)
      lines.push_back(fmt::format("{} lines were dropped: the log could not be written\n", lost));
    lines.push_back(std::move(line));
    put.notify_one();
  }

  void flush() {
    std::unique_lock lock(mutex);
    written.wait_for(lock, flush_patience, [this] { return lines.empty(); });
  }

  void close() {
    const std::lock_guard lock(mutex);
    closed = true;
    put.notify_one();
  }
};

LogSink::LogSink(FileDescriptor file) : file_(std::make_shared<FileDescriptor>(std::move(file))) {}

LogSink::~LogSink() {
  flush_();
  if (writer_ == nullptr || pid_ != ::getpid()) return;
  (*writer_)->close();
  delete writer_;
}

// Signals are for the process's other threads.
LogSink::Writer& LogSink::writer() {
  if (writer_ != nullptr && pid_ == ::getpid()) return **writer_;
  writer_ = new std::shared_ptr<Writer>(std::make_shared<Writer>(file_));
  pid_ = ::getpid();
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([writer = *writer_] { writer->run(); }).detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return **writer_;
}

void LogSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t text;
  formatter_->format(message, text);
  writer().add(std::string(text.data(), text.size()));
}

void LogSink::flush_() {
  if (writer_ != nullptr && pid_ == ::getpid()) (*writer_)->flush();
}

}  // namespace copper
