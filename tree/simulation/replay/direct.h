// Without any Copper: each node's own client of the parallel file system asks it. A name is looked up once by
// a node, a directory page or a file block read once, each one operation; every open asks the metadata
// server, of each process (closing is not counted).
#pragma once

#include "tree/simulation/replay/figures.h"
#include "tree/simulation/replay/workload.h"

namespace copper::simulation {

Figures direct(const Workload& workload, const MachineProfile& machine, const Job& job,
               const Progress& progress);

}  // namespace copper::simulation
