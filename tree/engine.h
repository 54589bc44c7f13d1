// The loop that joins a node to its ports: product code in both worlds, the MPI rank's and the simulator's. One turn
// takes at most limits::events_per_turn events from each port, feeds them to the protocol and carries its actions
// out. One thread; never blocks; knows no clock.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "tree/census.h"
#include "tree/node.h"
#include "tree/ports.h"

namespace copper {

// What the job's counters are at one moment, as far as ranks answered.
struct Census {
  Counters counters;
  std::uint32_t ranks = 0;  // that answered
};

class Engine {
 public:
  // Writes a control answer: `census` only for ControlOp::stats. Printing lives with the caller.
  using Reporter = std::function<std::string(ControlOp, const Engine&, const std::optional<Census>&, Instant now)>;

  Engine(Node& node, Transport& transport, Storage& storage, Clients& clients, Reporter reporter);

  // Returns the number of events handled: zero when there was nothing to do.
  std::size_t turn(Instant now);

  // The earliest instant at which a turn is needed though no event comes (a census or a ready list that is due).
  std::optional<Instant> deadline() const;

  // On rank 0, of the first tree: every rank's mount answers; and which ranks' do not yet.
  bool all_ready() const;
  std::vector<Rank> not_ready() const;

  const Node& node() const;
};

}  // namespace copper
