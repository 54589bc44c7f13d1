// What is mounted on this host, as this process sees it (/proc/self/mountinfo).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace copper {

inline constexpr std::string_view copper_type = "fuse.copper";

struct MountedAt {
  std::string path;
  std::string type;
  std::string device;  // "major:minor"
};

// In the order in which they were mounted; throws std::runtime_error where /proc cannot be read.
std::vector<MountedAt> mounts();

}  // namespace copper
