// What one process of a measured program does, without an interpreter in between: the times of system calls
// are the times printed. Says "ready", waits for a line, works, prints its seconds: so that many start at
// once, and what prepares is not timed. One thread. Its kinds of work are in `works` below.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "service/segment/file_descriptor.h"
#include "tree/limits.h"
#include "tree/trace.h"

namespace copper::bench {
namespace {

using Work = std::function<void()>;

std::system_error failed(const std::string& path) { return {errno, std::generic_category(), path}; }

FileDescriptor opened(const std::string& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw failed(path);
  return fd;
}

// ---- names and files ----

std::vector<std::string> numbered(const std::string& begin, int count) {
  std::vector<std::string> paths;
  for (int i = 0; i < count; ++i) paths.push_back(begin + std::to_string(i));
  return paths;
}

// lstat of BEGIN0, BEGIN1, ...: all of them there, or none.
Work names(const std::string& begin, int count, bool there) {
  return [paths = numbered(begin, count), there] {
    struct stat st {};
    for (const auto& path : paths)
      if ((::lstat(path.c_str(), &st) == 0) != there) throw failed(path);
  };
}

Work files(const std::string& begin, int count) {
  return [paths = numbered(begin, count)] {
    std::array<char, 1 << 16> bytes{};
    for (const auto& path : paths) {
      const auto fd = opened(path);
      if (::read(fd.get(), bytes.data(), bytes.size()) <= 0) throw failed(path);
    }
  };
}

// ---- one large file ----

void read_all(int fd, std::vector<char>& bytes, off_t offset, const std::string& path) {
  if (::pread(fd, bytes.data(), bytes.size(), offset) != static_cast<ssize_t>(bytes.size()))
    throw failed(path);
}

// The whole file in pieces, in order or shuffled, each once.
Work whole(const std::string& path, std::size_t piece, bool shuffled) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) throw failed(path);
  std::vector<off_t> offsets(static_cast<std::size_t>(st.st_size) / piece);
  for (std::size_t i = 0; i < offsets.size(); ++i) offsets[i] = static_cast<off_t>(i * piece);
  if (shuffled) std::shuffle(offsets.begin(), offsets.end(), std::mt19937{1});
  return [path, piece, offsets = std::move(offsets)] {
    std::vector<char> bytes(piece);
    const auto fd = opened(path);
    for (const auto offset : offsets) read_all(fd.get(), bytes, offset, path);
  };
}

// ---- shared libraries ----

// As Pynamic does: loads BEGIN0.so, BEGIN1.so, ..., each with the libraries that it needs, and calls into
// each.
Work libraries(const std::string& begin, int count) {
  return [paths = numbered(begin, count)] {
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const auto path = paths[i] + ".so";
      void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
      if (library == nullptr) throw std::runtime_error(::dlerror());
      const auto entry = reinterpret_cast<int (*)()>(::dlsym(library, fmt::format("entry{}", i).c_str()));
      if (entry == nullptr || entry() < 0) throw std::runtime_error(path + " does not work");
    }
  };
}

// ---- a recorded program ----

// Does what the trace says below a prefix: sleeps where the program thought, keeps open what it opened. What
// is not there (any more) is a failed question as any other; how many there were is printed.
class Replay {
 public:
  Replay(const std::string& file, std::string prefix, double think_scale)
      : prefix_(std::move(prefix)), think_scale_(think_scale) {
    std::ifstream input(file, std::ios::binary);
    if (!input) throw failed(file);
    const std::string text{std::istreambuf_iterator<char>(input), {}};
    auto parsed = parse_trace(text);
    if (const auto* const wrong = std::get_if<std::string>(&parsed)) throw std::runtime_error(*wrong);
    trace_ = std::get<Trace>(std::move(parsed));
    for (auto& path : trace_.paths) path = prefix_ + path;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::prctl(PR_SET_TIMERSLACK, 1);  // most thoughts are shorter than the 50 us that sleeps are late by
    bytes_.resize(limits::block_bytes);
  }

  void run() {
    for (const auto& request : trace_.requests) {
      if (request.think.count() > 0)
        std::this_thread::sleep_for(std::chrono::nanoseconds(
            static_cast<long>(static_cast<double>(request.think.count()) * think_scale_)));
      errno = 0;
      if (!ask(request) && missing_++ == 0)
        first_missing_ = trace_.paths[request.path] + ": " + std::generic_category().message(errno);
    }
  }

  // Empty where nothing was missing.
  std::string missing() const {
    return missing_ == 0 ? "" : fmt::format("{} not to be had, first {}", missing_, first_missing_);
  }

 private:
  bool ask(const TraceRequest& request) {
    const auto& path = trace_.paths[request.path];
    struct stat st {};
    struct statvfs fs {};
    switch (request.op) {
      case TraceOp::lookup:
        ::lstat(path.c_str(), &st);  // many are absent, and were
        return true;
      case TraceOp::getattr:
        return ::lstat(path.c_str(), &st) == 0;
      case TraceOp::readlink:
        return ::readlink(path.c_str(), bytes_.data(), bytes_.size()) >= 0;
      case TraceOp::statfs:
        return ::statvfs(path.c_str(), &fs) == 0;
      case TraceOp::readdir:
        return page(request.path);
      case TraceOp::read: {
        const int fd = file(request.path);
        return fd >= 0 && ::pread(fd, bytes_.data(), bytes_.size(),
                                  static_cast<off_t>(request.block) * static_cast<off_t>(bytes_.size())) >= 0;
      }
      case TraceOp::ioctl: {
        const int fd = file(request.path);
        if (fd >= 0) ::isatty(fd);
        return fd >= 0;
      }
    }
    return false;
  }

  int file(std::uint32_t path) {
    const auto [it, fresh] = files_.try_emplace(path);
    if (fresh) it->second = FileDescriptor(::open(trace_.paths[path].c_str(), O_RDONLY | O_CLOEXEC));
    return it->second ? it->second.get() : -1;
  }

  // The next names of the directory; after the last its descriptor is given back.
  bool page(std::uint32_t path) {
    const int fd = file(path);
    const auto got = fd < 0 ? -1 : ::getdents64(fd, bytes_.data(), 1 << 15);
    if (got <= 0) files_.erase(path);
    return got >= 0;
  }

  std::string prefix_;
  double think_scale_;
  Trace trace_;
  std::vector<char> bytes_;
  std::unordered_map<std::uint32_t, FileDescriptor>
      files_;  // by number of the path; empty: it could not be opened
  std::size_t missing_ = 0;
  std::string first_missing_;
};

// ---- the start ----

void measure(const Work& work) {
  std::puts("ready");
  std::fflush(stdout);
  if (std::getchar() == EOF) return;
  const auto began = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
  fmt::print("{:.9f}\n", seconds.count());
}

}  // namespace
}  // namespace copper::bench

int main(int argc, char** argv) {
  using namespace copper::bench;
  CLI::App app("One process of a measured program: works when told to, prints its seconds.",
               "bench_workload");
  app.require_subcommand(1);
  std::string path;
  std::string trace;
  int count = 0;
  std::size_t piece = 1 << 20;
  double think_scale = 1;
  const auto verb = [&](const char* name, const char* text) {
    auto* const sub = app.add_subcommand(name, text);
    sub->add_option("path", path)->required();
    return sub;
  };
  verb("present", "lstat of PATH0, PATH1, ...")->add_option("count", count)->required();
  verb("absent", "the same of names that are not there")->add_option("count", count)->required();
  verb("files", "open, read, close of PATH0, PATH1, ...")->add_option("count", count)->required();
  verb("sequential", "reads a file")->add_option("--piece", piece);
  verb("random", "reads a file's pieces in another order")->add_option("--piece", piece);
  verb("libraries", "dlopen of PATH0.so, PATH1.so, ...")->add_option("count", count)->required();
  auto* const replay = verb("replay", "does what a trace says, below PATH");
  replay->add_option("trace", trace)->required();
  replay->add_option("--think-scale", think_scale, "thinks so many times as long");
  CLI11_PARSE(app, argc, argv);
  try {
    const auto kind = app.get_subcommands().front()->get_name();
    if (kind == "present" || kind == "absent") measure(names(path, count, kind == "present"));
    if (kind == "files") measure(files(path, count));
    if (kind == "sequential" || kind == "random") measure(whole(path, piece, kind == "random"));
    if (kind == "libraries") measure(libraries(path, count));
    if (kind == "replay") {
      Replay replayed(trace, path == "/" ? "" : path, think_scale);
      measure([&] { replayed.run(); });
      fmt::print("{}\n", replayed.missing());
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_workload: {}\n", error.what());
    return 1;
  }
}
