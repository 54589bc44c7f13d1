// copper_fuse's options: read once, const afterwards.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "service/process.h"
#include "service/storage/source_tree.h"
#include "tree/pace.h"

namespace copper {

struct FrontEndOptions {
  std::filesystem::path run_dir;
  std::uint32_t node = 0;
  std::string log_name;  // "node<number>" unless told otherwise
  std::filesystem::path mount;
  LocalTrees local;
  bool map_links = false;
  std::chrono::seconds ready_patience{30};  // for the rank to make the segment
  double direct_per_second = copper::direct_per_second;
  std::filesystem::path record;  // the trace to write; empty: none
  ProcessOptions process;
};

// Paths come out absolute. Exits: 0 after --help, 2 after a bad option, with one line on stderr.
FrontEndOptions parse_options(int argc, char** argv);

}  // namespace copper
