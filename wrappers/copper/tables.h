// The rank's answers as text for people. Pure: JSON in, aligned lines out. A field that is missing is shown
// as 0 or
// "?", so that a newer service can be read.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace copper {

std::string status_text(const nlohmann::ordered_json& status);
std::string stats_text(const nlohmann::ordered_json& stats);

// 1234567 -> "1,234,567"; 1572864 -> "1.5 MiB"; 3723 -> "1:02:03".
std::string grouped(std::uint64_t n);
std::string bytes_text(std::uint64_t bytes);
std::string duration_text(std::uint64_t seconds);

}  // namespace copper
