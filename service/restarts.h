// What the keeper of the service (copper_keeper.sh) says to one that it starts again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace copper {

struct Restarts {
  std::uint32_t count = 0;            // of this run's services, the first not counted
  std::vector<std::string> left_out;  // the run's hosts that are gone
};

}  // namespace copper
