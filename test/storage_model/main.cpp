// copper_storage_model: plays the parallel file system for tests, and counts what it is asked. Foreground;
// prints "copper_storage_model: ready" when the mount answers; SIGTERM or SIGINT unmount and end it.
//
// Threads: libfuse's workers (a request that waits at the gate holds one), one for the control socket; main
// waits.
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "test/storage_model/control.h"
#include "test/storage_model/counts.h"
#include "test/storage_model/gate.h"
#include "test/storage_model/source.h"

namespace copper::storage_model {
namespace {

struct Options {
  std::string source;
  std::string mountpoint;
  std::string control;
};

// For the signal handler, which has no other way to reach them.
fuse_session* session_to_end = nullptr;
int stop_fd = -1;

void stop() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(stop_fd, &one, sizeof(one));
}

void on_signal(int) {
  fuse_session_exit(session_to_end);
  stop();
}

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaction(signal, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

// A node holds a descriptor.
void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit high{1 << 20, 1 << 20};
  if (::setrlimit(RLIMIT_NOFILE, &high) == 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void say_ready(void*, fuse_conn_info*) {
  std::puts("copper_storage_model: ready");
  std::fflush(stdout);
}

struct Arguments {
  explicit Arguments(const char* program) {
    add(program);
    add("-oro,default_permissions,fsname=copper_storage_model,subtype=model");
    if (::geteuid() == 0) add("-oallow_other");
  }
  ~Arguments() { fuse_opt_free_args(&args); }
  void add(const char* text) {
    if (fuse_opt_add_arg(&args, text) != 0) throw std::bad_alloc();
  }
  fuse_args args{};
};

void run(const Options& options, const char* program) {
  raise_descriptor_limit();
  ::umask(0);
  Counts counts;
  Gate gate;
  Source source(options.source, counts, gate);
  Control control(options.control, counts, gate);
  const FileDescriptor stopped(::eventfd(0, EFD_CLOEXEC));
  stop_fd = stopped.get();

  Arguments arguments(program);
  auto operations = Source::operations();
  operations.init = say_ready;
  const std::unique_ptr<fuse_session, decltype(&fuse_session_destroy)> session(
      fuse_session_new(&arguments.args, &operations, sizeof(operations), &source), fuse_session_destroy);
  if (!session) throw std::runtime_error("no FUSE session");
  session_to_end = session.get();
  catch_signals();
  if (fuse_session_mount(session.get(), options.mountpoint.c_str()) != 0) {
    throw std::runtime_error("cannot mount at " + options.mountpoint);
  }

  // The control thread leaves the signals to main, whose wait inside libfuse they must interrupt.
  sigset_t signals;
  sigset_t before;
  ::sigfillset(&signals);
  ::pthread_sigmask(SIG_BLOCK, &signals, &before);
  std::jthread controlling([&] { control.run(stopped.get()); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);

  const std::unique_ptr<fuse_loop_config, decltype(&fuse_loop_cfg_destroy)> loop(fuse_loop_cfg_create(),
                                                                                 fuse_loop_cfg_destroy);
  fuse_loop_cfg_set_max_threads(loop.get(), 1024);
  fuse_loop_cfg_set_idle_threads(loop.get(), 16);
  fuse_session_loop_mt(session.get(), loop.get());
  fuse_session_unmount(session.get());
  stop();
}

}  // namespace
}  // namespace copper::storage_model

int main(int argc, char** argv) {
  copper::storage_model::Options options;
  CLI::App app("A read-only file system over a directory that counts every question.",
               "copper_storage_model");
  app.add_option("source", options.source, "directory to show")->required()->check(CLI::ExistingDirectory);
  app.add_option("mountpoint", options.mountpoint, "where to show it")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--control", options.control, "control socket to make")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    copper::storage_model::run(options, argv[0]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "copper_storage_model: %s\n", error.what());
    return 2;
  }
}
