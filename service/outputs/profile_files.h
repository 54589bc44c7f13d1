// A profile as files: profiling_operations.csv, _aggregate.csv, _top_paths.csv, _timeline.csv, _ranks.csv,
// and profiling_summary.md for people. The same of one rank and of the job. Pure.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "service/outputs/file_writer.h"
#include "tree/profile/profile.h"
#include "tree/topology.h"

namespace copper {

struct ProfileSheet {
  std::string title;                  // "node 3", "the job"
  Profile profile;                    // with columns.h's columns
  std::uint32_t ranks_counted = 1;    // those in it
  std::uint32_t ranks = 1;            // those that there are
  std::vector<std::string> names;     // of the nodes, by rank
  std::vector<std::uint32_t> depths;  // in the first tree, by rank
  std::size_t top_n = 50;             // rows of the paths; 0: all
};

OutputFiles profile_files(const ProfileSheet& sheet, const std::filesystem::path& directory);

}  // namespace copper
