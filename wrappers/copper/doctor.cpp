// See doctor.h.
#include "wrappers/copper/doctor.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace copper {
namespace {

constexpr int source_depth_max = 3;  // build/<preset>/bin in a checkout

// Where the program is installed, or in the checkout that it was built in; empty where it is in neither.
std::filesystem::path find_script(const std::filesystem::path& program_directory) {
  auto script = program_directory.parent_path() / "libexec/copper/copper_doctor.sh";
  auto directory = program_directory;
  for (int depth = 0; depth < source_depth_max && !std::filesystem::exists(script); ++depth) {
    directory = directory.parent_path();
    script = directory / "wrappers/copper_doctor.sh";
  }
  return std::filesystem::exists(script) ? script : std::filesystem::path();
}

}  // namespace

CLI::App* add_doctor(CLI::App& app) {
  auto* subcommand = app.add_subcommand("doctor", "Whether Copper can be launched on this host");
  subcommand->prefix_command();
  subcommand->set_help_flag();
  return subcommand;
}

int doctor(const CLI::App& subcommand) {
  const auto directory = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const auto script = find_script(directory);
  if (script.empty()) {
    std::cerr << "copper: copper_doctor.sh is not in ../libexec/copper of " << directory.string() << '\n';
    return 2;
  }
  const char* path = std::getenv("PATH");
  ::setenv("PATH", (directory.string() + ":" + (path != nullptr ? path : "/usr/bin:/bin")).c_str(), 1);
  auto words = subcommand.remaining();
  words.insert(words.begin(), script.string());
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv(script.c_str(), arguments.data());
  std::cerr << "copper: cannot run " << script.string() << '\n';
  return 2;
}

}  // namespace copper
