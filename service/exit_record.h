// Why a rank ends the service: neighbours of its own are lost. The keeper (copper_keeper.sh) reads it before
// it starts the service again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace copper {

// <directory>/exit_record.<restarts>.<host>, whole or not at all: a line "silent HOST" for each.
// Throws std::runtime_error where it cannot be written. Blocks as long as the directory's file system does.
void write_exit_record(const std::filesystem::path& directory, std::uint32_t restarts,
                       const std::string& host, const std::vector<std::string>& silent);

}  // namespace copper
