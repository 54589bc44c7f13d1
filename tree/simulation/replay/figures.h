// What is replayed, on what, and what came out of it: the same for each system that is compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "tree/simulation/machine/profile.h"

namespace copper::simulation {

struct MachineProfile {
  NetworkProfile network;
  StorageProfile storage;
  NodeProfile node;
};

struct Job {
  std::uint32_t nodes = 1;
  std::uint32_t processes = 12;                    // of a node
  Duration skew = std::chrono::milliseconds{100};  // each process starts at some time up to this
  std::uint64_t seed = 1;
};

struct Figures {
  Duration finish{};  // from the job's start until the last process got through the trace
  std::uint64_t storage_operations = 0;
  std::uint64_t busiest_second = 0;  // of the storage operations; 0: not known
  std::uint64_t storage_bytes = 0;
  std::uint64_t network_bytes = 0;     // sent by all nodes together
  std::uint64_t busiest_messages = 0;  // of the rank that takes and sends most
  double busiest_share = 0;            // of the time until the finish, of the rank that works most
};

// Told now and then how much of a run is done, 0 to 1.
using Progress = std::function<void(double share)>;

}  // namespace copper::simulation
