// See file_writer.h. The thread may still be held by the file system when the rest is gone: it keeps Shared
// alive, and finds it closed.
#include "service/outputs/file_writer.h"

#include <condition_variable>
#include <csignal>
#include <cstring>
#include <deque>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>

namespace copper {

struct FileWriter::Shared {
  explicit Shared(std::function<void(const std::string&)> say) : complain(std::move(say)) {}

  const std::function<void(const std::string&)> complain;
  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  std::deque<std::function<OutputFiles()>> waiting;
  bool started = false;
  bool writing = false;
  bool closed = false;

  void put(const OutputFile& file) const {
    std::error_code failed;
    std::filesystem::create_directories(file.path.parent_path(), failed);
    auto part = file.path;
    part += ".part";
    std::ofstream out(part, std::ios::binary | std::ios::trunc);
    const bool written = static_cast<bool>(out << file.text << std::flush);
    out.close();
    if (written) std::filesystem::rename(part, file.path, failed);
    if (!written || failed) complain("cannot write " + file.path.string());
  }

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      writing = false;
      changed.wait(lock, [this] { return closed || !waiting.empty(); });
      if (closed) return;
      const auto files = std::move(waiting.front());
      waiting.pop_front();
      writing = true;
      lock.unlock();
      for (const auto& file : files()) put(file);
      lock.lock();
    }
  }
};

FileWriter::FileWriter(std::function<void(const std::string&)> complain)
    : shared_(std::make_shared<Shared>(std::move(complain))) {}

FileWriter::~FileWriter() {
  const std::lock_guard lock(shared_->mutex);
  shared_->closed = true;
  shared_->changed.notify_all();
}

void FileWriter::write(std::function<OutputFiles()> files) {
  const std::lock_guard lock(shared_->mutex);
  shared_->waiting.push_back(std::move(files));
  shared_->changed.notify_all();
  if (std::exchange(shared_->started, true)) return;
  sigset_t all;  // signals are the rank's
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([shared = shared_] { shared->run(); }).detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool FileWriter::idle() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->waiting.empty() && !shared_->writing;
}

}  // namespace copper
