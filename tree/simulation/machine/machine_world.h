// A machine as a World: ranks that are busy with one thing at a time and sleep by the product's idle policy,
// network interfaces that send and receive one thing at a time, a parallel file system. Rank n is node n.
//
// A rank that takes n events in a turn is busy for the sum of their costs; what it then sends leaves one
// message after the other.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tree/simulation/machine/profile.h"
#include "tree/simulation/machine/storage_queues.h"
#include "tree/simulation/world.h"

namespace copper::simulation {

// When a rank that did its last work at `active` sees a message that came at `came`.
Instant sees(Instant active, Instant came);

class MachineWorld final : public World {
 public:
  MachineWorld(const NetworkProfile& network, const StorageProfile& storage, const NodeProfile& node,
               std::uint32_t nodes);

  Instant arrives(Rank from, Rank to, std::size_t bytes, Instant sent) override;
  Instant received(Rank to, std::size_t bytes, Instant arrived) override;
  Instant looks(Rank by, const Load& load, Instant asked) override;
  Instant loads(Rank by, const Loaded& loaded, Instant looked) override;
  Instant wakes(Rank rank, Cause cause, Instant happened) override;
  void takes(Rank rank, Work work, std::size_t bytes, Instant now) override;

  // When the rank has done what it has taken and sent so far: its replies are with its front end then.
  Instant done(Rank rank) const { return ranks_[number(rank)].done; }

  const StorageQueues& storage() const { return storage_; }
  struct Labour {
    std::uint64_t messages = 0;  // taken and sent
    std::uint64_t bytes_sent = 0;
    Duration busy{};
  };
  const Labour& labour(Rank rank) const { return ranks_[number(rank)].labour; }

 private:
  struct State {
    Instant done{};
    Queue out;
    Queue in;
    Labour labour;
  };
  Duration wire(std::size_t bytes) const;
  void works(State& rank, Duration cost, Instant now);

  Duration latency_;
  double ns_per_byte_;
  std::array<Duration, 4> costs_;  // by Work
  double checksum_ns_per_byte_;
  Duration send_;
  Duration doorbell_;
  StorageQueues storage_;
  std::vector<State> ranks_;
};

// What a load asks of storage: so many metadata operations, and whether a read besides.
std::uint64_t metadata_operations(const Key& key, std::size_t bytes, bool found);

}  // namespace copper::simulation
