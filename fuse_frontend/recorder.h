// Records what the mount was asked, and what that made the front end ask of the rank, as a trace
// (tree/trace.h). There is a recorder only where the user wants one.
//
// A request has its place in the recording from being read until it has been replied to. Lines are written in
// the order in which requests were read, each as soon as it and those before it are replied to, and at once:
// whoever is killed when, the file holds whole lines. Left out: what is under way at the end, questions that
// nobody waited for until they were answered, and repeats. A repeat is a request that a cold kernel would not
// have sent again, and that asked the rank nothing new; each key is recorded once, for the first request that
// asked it.
#pragma once

#include <spdlog/logger.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "service/segment/file_descriptor.h"
#include "tree/key.h"
#include "tree/outcome.h"
#include "tree/trace.h"

namespace copper {

class Recording;

// Any thread. One mutex, held while a line is written.
class Recorder {
 public:
  // Replaces the file. Throws Refusal.
  Recorder(const std::filesystem::path& file, std::shared_ptr<spdlog::logger> log);

  // In a worker whose predecessor wrote to the file: goes on where that one stopped.
  void resume();

  // A request was read. Of a read: its first block and how many; of a readdir: the offset, which tells its
  // pages apart.
  Recording begin(TraceOp op, std::string path, std::uint64_t from = 0, std::uint64_t count = 1);

 private:
  friend class Recording;
  using Number = std::uint64_t;  // of a request

  struct Request {
    TraceOp op;
    std::string path;
    std::uint64_t from;
    std::uint64_t count;
    Duration think;
    std::vector<TraceWriter::Question> questions{};
    bool replied = false;
  };

  void answered(Number number, const Key& key, Result<std::uint32_t> bytes);
  void end(Number number);

  Request* find(Number number);
  void finish_first();
  void write(const Request& request);
  int put(const std::string& text);  // 0, or the errno that ends the recording

  const std::shared_ptr<spdlog::logger> log_;
  std::mutex mutex_;  // guards all below
  FileDescriptor file_;
  std::size_t file_bytes_ = 0;
  TraceWriter writer_;
  std::deque<Request> requests_;  // those that are not written yet,
  Number first_ = 0;              // and the number of the first
  std::size_t outstanding_ = 0;   // requests not replied to
  std::optional<Instant> quiet_since_;
  Duration thought_{};  // before requests that were left out
  std::set<std::tuple<TraceOp, std::string, std::uint64_t>> recorded_;
  std::set<std::tuple<Kind, std::string, std::uint32_t>> asked_;
};

// A request's place in the recording; of nothing where there is no recorder. Ends with this object. One
// thread at a time.
class Recording {
 public:
  Recording() = default;
  Recording(Recording&& other) noexcept
      : recorder_(std::exchange(other.recorder_, nullptr)), number_(other.number_) {}
  Recording& operator=(Recording&&) = delete;
  ~Recording() {
    if (recorder_ != nullptr) recorder_->end(number_);
  }

  // What the request asked, in this order.
  void answered(const Key& key, const Result<Bytes>& value) {
    if (recorder_ == nullptr) return;
    if (value.ok()) {
      recorder_->answered(number_, key, static_cast<std::uint32_t>(value->size()));
    } else {
      recorder_->answered(number_, key, value.error());
    }
  }

 private:
  friend class Recorder;
  Recording(Recorder& recorder, std::uint64_t number) : recorder_(&recorder), number_(number) {}

  Recorder* recorder_ = nullptr;
  std::uint64_t number_ = 0;
};

}  // namespace copper
