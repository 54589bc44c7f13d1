// What both programs do the same way at their start: log, cores, working directory, and how they refuse.
#pragma once

#include <spdlog/logger.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace copper {

struct ProcessOptions {
  int log_level = 3;              // -l: 0 nothing, 1 fatal, 2 error, 3 warning, 4 info, 5 debug
  std::string log_type = "file";  // -t: file, stdout or both
  std::filesystem::path log_dir;  // empty: no file
  std::string cores;              // -b: "48,49" or "0-3,8"; empty: where the launcher put us
};

void add_process_options(CLI::App& app, ProcessOptions& options);

// Parses; after --help exits 0, after a bad option prints one line and exits 2.
void parse_or_exit(CLI::App& app, int argc, char** argv);
[[noreturn]] void refuse_option(const std::string& program, const std::string& reason);

// Runs main's body, and returns its status: a Refusal becomes one line and 2, any other exception one line
// and 1.
int run_program(const std::string& program, const std::function<int()>& body);

// Pins the process to its cores, moves to "/", so that no mount is kept busy, ignores SIGPIPE, and takes as
// many file descriptors as it may have. Throws Refusal.
void settle_process(const ProcessOptions& options);

// The program's log; `name` is the file's stem. Throws Refusal where the file cannot be written.
std::shared_ptr<spdlog::logger> open_log(const ProcessOptions& options, const std::string& name);

}  // namespace copper
