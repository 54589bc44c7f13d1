// See process.h.
#include "service/process.h"

#include <fcntl.h>
#include <sched.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <iostream>
#include <optional>
#include <string_view>

#include "service/log_sink.h"
#include "service/refusal.h"
#include "service/segment/file_descriptor.h"

namespace copper {
namespace {

constexpr std::array levels{spdlog::level::off,  spdlog::level::critical, spdlog::level::err,
                            spdlog::level::warn, spdlog::level::info,     spdlog::level::debug};

std::optional<unsigned> parse_core(std::string_view text) {
  unsigned core = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), core);
  if (error != std::errc{} || end != text.data() + text.size() || core >= CPU_SETSIZE) return std::nullopt;
  return core;
}

// "0-3,8" as a set; nothing where the text is no list of cores.
std::optional<cpu_set_t> parse_cores(std::string_view text) {
  cpu_set_t set;
  CPU_ZERO(&set);
  while (true) {
    const auto comma = text.find(',');
    const auto item = text.substr(0, comma);
    const auto dash = item.find('-');
    const auto first = parse_core(item.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_core(item.substr(dash + 1));
    if (!first || !last || *first > *last) return std::nullopt;
    for (auto core = *first; core <= *last; ++core) CPU_SET(core, &set);
    if (comma == std::string_view::npos) return set;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

void add_process_options(CLI::App& app, ProcessOptions& options) {
  app.add_option("-l,--log-level", options.log_level,
                 "0 nothing, 1 fatal, 2 error, 3 warning, 4 info, 5 debug")
      ->check(CLI::Range(0, 5))
      ->capture_default_str();
  app.add_option("-t,--log-type", options.log_type, "Where the log goes: file, stdout or both")
      ->check(CLI::IsMember({"file", "stdout", "both"}))
      ->capture_default_str();
  app.add_option("--log-dir", options.log_dir, "Directory of the log file; without it there is none")
      ->check(CLI::ExistingDirectory);
  app.add_option("-b,--cores", options.cores, "Physical CPUs to run on, as in 48,49 or 0-3")
      ->check([](const std::string& text) {
        return parse_cores(text) ? std::string() : "not a list of CPUs: " + text;
      });
}

void parse_or_exit(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) std::exit(app.exit(error));  // --help
    refuse_option(app.get_name(), error.what());
  }
}

void refuse_option(const std::string& program, const std::string& reason) {
  std::cerr << program << ": " << reason << " (see " << program << " --help)\n";
  std::exit(2);
}

int run_program(const std::string& program, const std::function<int()>& body) {
  try {
    return body();
  } catch (const Refusal& refusal) {
    std::cerr << program << ": " << refusal.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << program << ": " << error.what() << '\n';
    return 1;
  }
}

void settle_process(const ProcessOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  if (::chdir("/") != 0) throw Refusal("cannot change to /: " + std::string(std::strerror(errno)));
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  if (options.cores.empty()) return;
  const auto set = parse_cores(options.cores);
  if (!set || ::sched_setaffinity(0, sizeof(cpu_set_t), &*set) != 0) {
    throw Refusal("cannot run on CPUs " + options.cores + ": " + std::strerror(errno));
  }
}

std::shared_ptr<spdlog::logger> open_log(const ProcessOptions& options, const std::string& name) {
  std::vector<spdlog::sink_ptr> sinks;
  if (options.log_type != "file")
    sinks.push_back(std::make_shared<LogSink>(FileDescriptor(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0))));
  if (options.log_type != "stdout" && !options.log_dir.empty() && options.log_level > 0) {
    const auto path = options.log_dir / (name + ".log");
    FileDescriptor file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666));
    if (!file) throw Refusal("cannot write the log " + path.string() + ": " + std::strerror(errno));
    sinks.push_back(std::make_shared<LogSink>(std::move(file)));
  }
  auto log = std::make_shared<spdlog::logger>(name, sinks.begin(), sinks.end());
  log->set_level(levels.at(static_cast<std::size_t>(options.log_level)));
  log->set_pattern("%Y-%m-%d %H:%M:%S.%f %l %n: %v");
  return log;
}

}  // namespace copper
