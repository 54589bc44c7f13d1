// Why a rank ends the service: neighbours of its own are lost. The keeper (copper_keeper.sh) reads it before
// it starts the service again.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace copper {

// <directory>/exit_record.<restarts>.<host>, whole, a line "silent HOST" for each; empty where there is no
// room for that, since that there is one is half of what it says. False where it is not there after
// `patience`: the file system may hang.
bool write_exit_record(const std::filesystem::path& directory, std::uint32_t restarts,
                       const std::string& host, const std::vector<std::string>& silent,
                       std::chrono::milliseconds patience);

}  // namespace copper
