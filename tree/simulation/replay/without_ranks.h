// Copper with every rank dead from the start, and no arena with anything in it: each front end reads storage
// itself, by few threads, at the product's own pace (tree/pace.h). What one process of a node has had read
// its kernel keeps for the others; everything stays fresh.
#pragma once

#include "tree/simulation/replay/figures.h"
#include "tree/simulation/replay/workload.h"

namespace copper::simulation {

Figures without_ranks(const Workload& workload, const MachineProfile& machine, const Job& job,
                      const Progress& progress);

}  // namespace copper::simulation
