// The file system of truth of a simulation: what a load brings. When it brings it is the World's.
#pragma once

#include <cstdint>

#include "tree/node/node.h"

namespace copper::simulation {

class SimulatedStorage {
 public:
  virtual ~SimulatedStorage() = default;
  virtual void begin(const Key& key, Instant now) = 0;     // a load is under way
  virtual Loaded look(const Load& load, Instant now) = 0;  // what is true at this moment
  virtual void end(const Key& key) = 0;                    // the load that began is answered
  virtual std::uint64_t loads() const = 0;                 // begun, ever
};

}  // namespace copper::simulation
