// See recorder.h.
#include "fuse_frontend/recorder.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "fuse_frontend/clock.h"
#include "service/refusal.h"

namespace copper {
namespace {

// Replied requests wait for an older one to be written; beyond so many that one is left out.
constexpr std::size_t held_back = 4096;
// Where the recording stops: it is of a program, not of a job's life, and its names are kept in memory.
constexpr std::size_t file_bytes_max = std::size_t{256} << 20;

// Does the kernel ask again whatever it knows?
bool asked_each_time(TraceOp op) { return op == TraceOp::ioctl || op == TraceOp::statfs; }

}  // namespace

Recorder::Recorder(const std::filesystem::path& file, std::shared_ptr<spdlog::logger> log)
    : log_(std::move(log)),
      file_(::open(file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666)) {
  const int error = file_ ? put(writer_.begin({}, {})) : errno;
  if (error != 0) throw Refusal("cannot write the recording " + file.string() + ": " + std::strerror(error));
}

// What does not read as a trace is none of a recorder's: then the recording stops.
void Recorder::resume() {
  const std::lock_guard lock(mutex_);
  if (!file_) return;
  std::string text;
  std::array<char, 65536> piece;
  for (ssize_t got = 0;
       (got = ::pread(file_.get(), piece.data(), piece.size(), static_cast<off_t>(text.size()))) > 0;)
    text.append(piece.data(), static_cast<std::size_t>(got));
  text.resize(text.rfind('\n') + 1);  // the last line may have been cut off
  const auto read = parse_trace(text);
  const auto* trace = std::get_if<Trace>(&read);
  if (trace == nullptr || ::ftruncate(file_.get(), static_cast<off_t>(text.size())) != 0) {
    log_->error("the recording stops: {}",
                trace == nullptr ? std::get<std::string>(read) : std::strerror(errno));
    file_ = FileDescriptor();
    return;
  }
  file_bytes_ = text.size();
  writer_.resume(*trace);
  for (const auto& request : trace->requests) {
    recorded_.emplace(request.op, trace->paths[request.path], request.block);
    for (const auto& question : request.questions)
      asked_.emplace(question.kind, trace->paths[question.path], question.block);
  }
}

Recording Recorder::begin(TraceOp op, std::string path, std::uint64_t from, std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  if (!file_ || !valid_path(path)) return {};
  const auto think = outstanding_ == 0 && quiet_since_ ? clock_now() - *quiet_since_ : Duration::zero();
  ++outstanding_;
  requests_.push_back({.op = op, .path = std::move(path), .from = from, .count = count, .think = think});
  return Recording(*this, first_ + requests_.size() - 1);
}

// Nothing where it was left out.
Recorder::Request* Recorder::find(Number number) {
  return number < first_ ? nullptr : &requests_[static_cast<std::size_t>(number - first_)];
}

void Recorder::answered(Number number, const Key& key, Result<std::uint32_t> bytes) {
  const std::lock_guard lock(mutex_);
  if (auto* request = find(number)) request->questions.push_back({key, bytes});
}

void Recorder::end(Number number) {
  const std::lock_guard lock(mutex_);
  if (--outstanding_ == 0) quiet_since_ = clock_now();
  if (auto* request = find(number)) request->replied = true;
  if (requests_.size() > held_back) finish_first();
  while (!requests_.empty() && requests_.front().replied) finish_first();
}

void Recorder::finish_first() {
  const auto request = std::move(requests_.front());
  requests_.pop_front();
  ++first_;
  thought_ += request.think;
  if (request.replied) write(request);
}

void Recorder::write(const Request& request) {
  const bool read = request.op == TraceOp::read;
  for (auto n = request.from; n != request.from + request.count; ++n) {
    std::vector<TraceWriter::Question> questions;
    for (const auto& question : request.questions) {
      const bool here = !read || question.key.block == n;
      const auto& key = question.key;
      if (here && asked_.emplace(key.kind, key.path.str(), key.block).second) questions.push_back(question);
    }
    const bool first = recorded_.emplace(request.op, request.path, n).second;
    if (!first && !asked_each_time(request.op) && questions.empty()) continue;
    const auto block = read ? static_cast<std::uint32_t>(n) : 0;
    put(writer_.request(std::exchange(thought_, {}), request.op, request.path, block, questions));
  }
}

int Recorder::put(const std::string& text) {
  if (!file_) return 0;
  const auto written = ::write(file_.get(), text.data(), text.size());
  const int error = written < 0 ? errno : ENOSPC;
  file_bytes_ += text.size();
  if (written == static_cast<ssize_t>(text.size()) && file_bytes_ < file_bytes_max) return 0;
  log_->error("the recording stops: {}", std::strerror(error));
  file_ = FileDescriptor();
  return error;
}

}  // namespace copper
