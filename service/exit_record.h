// Why a rank ends the service: neighbours of its own are lost. The keeper (copper_keeper.sh) reads it before
// it starts the service again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <future>
#include <string>
#include <vector>

namespace copper {

// <directory>/exit_record.<restarts>.<host>, whole, a line "silent HOST" for each; empty where there is no
// room for that, since that there is one is half of what it says. A thread of its own writes it, for the
// file system may hang: what it returns is ready when that has ended; true: it is there.
std::future<bool> write_exit_record(const std::filesystem::path& directory, std::uint32_t restarts,
                                    const std::string& host, std::vector<std::string> silent);

}  // namespace copper
