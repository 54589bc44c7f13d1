// copper_storage_model: plays the parallel file system for tests, and counts what it is asked. Foreground;
// prints "copper_storage_model: ready" when all mounts answer; SIGTERM or SIGINT unmount and end it, and so
// does the end of all mounts.
//
// Threads: for each mount libfuse's loop and its workers (a request that waits at the gate holds one), one
// for the control socket; main waits for the signal.
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "test/storage_model/control.h"
#include "test/storage_model/counts.h"
#include "test/storage_model/gate.h"
#include "test/storage_model/source.h"
#include "tree/simulation/machine/profile.h"

namespace copper::storage_model {
namespace {

struct Options {
  std::string source;
  std::vector<std::string> mountpoints;
  std::string control;
  std::string storage;
  double slower = 1;
  std::uint32_t client_cache_ms = 0;
};

// A node holds a descriptor.
void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit high{1 << 20, 1 << 20};
  if (::setrlimit(RLIMIT_NOFILE, &high) == 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
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

// Only wakes a loop.
constexpr int wake_signal = SIGUSR1;

// One mountpoint, served from construction to destruction; `ended` is called where it ends before that.
class Mount {
 public:
  Mount(const std::string& mountpoint, Client& client, const char* program, std::function<void()> ended) {
    Arguments arguments(program);
    session_.reset(
        fuse_session_new(&arguments.args, &Source::operations(), sizeof(fuse_lowlevel_ops), &client));
    if (!session_) throw std::runtime_error("no FUSE session");
    if (fuse_session_mount(session_.get(), mountpoint.c_str()) != 0) {
      throw std::runtime_error("cannot mount at " + mountpoint);
    }
    if (fuse_session_custom_io(session_.get(), &Source::replies(), fuse_session_fd(session_.get())) != 0) {
      throw std::runtime_error("libfuse does not let replies through");
    }
    loop_ = std::jthread([this, ended = std::move(ended)] {
      serve();
      served_ = true;
      ended();
    });
  }

  // libfuse 3.14 looks at the flag only when a signal interrupts its wait, and may just miss one: so it is
  // woken until it has ended. Nothing may wait at the gate any longer.
  ~Mount() {
    fuse_session_exit(session_.get());
    while (!served_) {
      ::pthread_kill(loop_.native_handle(), wake_signal);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    loop_.join();
    fuse_session_unmount(session_.get());
  }

 private:
  struct Destroy {
    void operator()(fuse_session* session) const { fuse_session_destroy(session); }
  };

  void serve() {
    const std::unique_ptr<fuse_loop_config, decltype(&fuse_loop_cfg_destroy)> config(fuse_loop_cfg_create(),
                                                                                     fuse_loop_cfg_destroy);
    fuse_loop_cfg_set_max_threads(config.get(), 1024);
    fuse_loop_cfg_set_idle_threads(config.get(), 16);
    fuse_session_loop_mt(session_.get(), config.get());
  }

  std::unique_ptr<fuse_session, Destroy> session_;
  std::atomic<bool> served_ = false;
  std::jthread loop_;
};

// Blocked in every thread: main waits for them.
sigset_t ending_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals, signal);
  return signals;
}

void prepare_signals() {
  const auto ending = ending_signals();
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
  action.sa_handler = [](int) {};
  ::sigaction(wake_signal, &action, nullptr);
}

void wait_for_the_end() {
  const auto ending = ending_signals();
  int signal = 0;
  ::sigwait(&ending, &signal);
}

// The same machine in slow motion.
simulation::StorageProfile slowed(simulation::StorageProfile profile, double factor) {
  for (double* const latency : {&profile.metadata_us, &profile.data_us}) *latency *= factor;
  for (double* const rate :
       {&profile.metadata_per_s, &profile.reads_per_s, &profile.gb_per_s, &profile.client_gb_per_s})
    *rate /= factor;
  return profile;
}

std::optional<simulation::StorageProfile> profile_of(const std::string& text, double slower) {
  if (text.empty()) return std::nullopt;
  auto profile = simulation::storage_profile(text);
  if (const auto* const wrong = std::get_if<std::string>(&profile))
    throw std::runtime_error("--storage: " + *wrong);
  return slowed(std::get<simulation::StorageProfile>(profile), slower);
}

void run(const Options& options, const char* program) {
  raise_descriptor_limit();
  ::umask(0);
  prepare_signals();
  const auto clients = static_cast<std::uint32_t>(options.mountpoints.size());
  Counts counts;
  Gate gate(profile_of(options.storage, options.slower), clients);
  Control control(options.control, counts, gate);
  const FileDescriptor stopped(::eventfd(0, EFD_CLOEXEC));

  std::atomic<std::uint32_t> not_ready = clients;
  std::atomic<std::uint32_t> serving = clients;
  const auto ready = [&not_ready] {
    if (--not_ready > 0) return;
    std::puts("copper_storage_model: ready");
    std::fflush(stdout);
  };
  const auto ended = [&serving] {
    if (--serving == 0) ::kill(::getpid(), SIGTERM);
  };
  Source source(options.source, counts, gate);
  std::deque<Client> clients_mounted;  // which stay where they are
  std::vector<std::unique_ptr<Mount>> mounts;
  for (std::uint32_t i = 0; i < clients; ++i) {
    auto& client =
        clients_mounted.emplace_back(source, i, std::chrono::milliseconds(options.client_cache_ms), ready);
    mounts.push_back(std::make_unique<Mount>(options.mountpoints[i], client, program, ended));
  }
  std::jthread controlling([&] { control.run(stopped.get()); });
  wait_for_the_end();
  ::eventfd_write(stopped.get(), 1);
  controlling.join();  // it has ended the gate
}

}  // namespace
}  // namespace copper::storage_model

int main(int argc, char** argv) {
  copper::storage_model::Options options;
  CLI::App app("A read-only file system over a directory that counts every question.",
               "copper_storage_model");
  app.add_option("source", options.source, "directory to show")->required()->check(CLI::ExistingDirectory);
  app.add_option("mountpoints", options.mountpoints, "where to show it, each a client of its own")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--control", options.control, "control socket to make")->required();
  app.add_option("--storage", options.storage,
                 "be as fast as this, all clients together: NAME[,key=value,...] as for copper simulate");
  app.add_option("--slower", options.slower, "so many times slower than it (default 1)")
      ->check(CLI::PositiveNumber)
      ->needs("--storage");
  app.add_option(
      "--client-cache-ms", options.client_cache_ms,
      "the kernel keeps names and attributes for so long, and file bytes and listings (default 0: nothing)");
  CLI11_PARSE(app, argc, argv);
  try {
    copper::storage_model::run(options, argv[0]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "copper_storage_model: %s\n", error.what());
    return 2;
  }
}
