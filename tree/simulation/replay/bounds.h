// What no system can beat, and what the best known broadcast would take: for the bytes of a trace.
#pragma once

#include "tree/simulation/replay/figures.h"
#include "tree/simulation/replay/workload.h"

namespace copper::simulation {

// The longer of: one client reads each object once from storage, as many at a time as it may; each node's
// interface takes in all bytes.
Duration lower_bound(const Workload& workload, const MachineProfile& machine, std::uint32_t nodes);

// The two-tree broadcast of Sanders, Speck and Traeff (Parallel Computing 35, 2009), pipelined in segments of
// 256 KiB: each node receives half of the segments in each of two trees, one segment after the other:
// (2 ceil(log2 nodes) + segments) steps, each of the latency and a segment's bytes. Storage not counted.
Duration two_tree(const Workload& workload, const MachineProfile& machine, std::uint32_t nodes);

}  // namespace copper::simulation
