// This project's Copper: a trace replayed by all nodes through the product's own ranks, on a modelled
// machine.
//
// A request that a node's kernel has no answer to costs a front end's round trip, and what the trace asked of
// the rank for it is asked of the node's rank, one question after the other. A front end has threads enough.
// Throws Failure where an answer is not the trace's, or a promise of the protocol is broken.
#pragma once

#include "tree/simulation/replay/figures.h"
#include "tree/simulation/replay/workload.h"

namespace copper::simulation {

// How the ranks are set up. What the protocol learns to choose comes here.
struct ServiceSettings {
  Fanouts fanouts;
  std::uint32_t trees = 1;
  PublishPolicy publish = PublishPolicy::automatic;
  std::size_t store_bytes = std::size_t{4} << 30;  // of a rank
};

Figures replay(const Workload& workload, const MachineProfile& machine, const ServiceSettings& service,
               const Job& job, const Progress& progress);

}  // namespace copper::simulation
