// The predecessor that this project is compared with (Argonne's Copper 1.0), as it was read and measured: one
// FUSE thread, which waits for every miss; the kernel told to cache nothing, so each operation of each
// process is a round trip, some 168 getattr for each file opened; files whole, stored and then forwarded,
// level by level, in one tree; files over 10 MB read from storage by every process, 128 KiB at a time, each
// time with open and close.
//
// No event queue: all nodes of one depth do the same at the same time, so one node of each depth is worked
// out, the root first, and a node gets what its parent has or fetches for it.
#pragma once

#include "tree/simulation/replay/figures.h"
#include "tree/simulation/replay/workload.h"

namespace copper::simulation {

struct PeerProfile {
  double operation_us = 1e6 / 13'300;          // of its FUSE thread: its warm stat, measured where ours was
  std::uint32_t getattrs_per_open = 168;       // counted at an import, by process and opened file
  std::uint32_t fanout = 7;                    // its default
  std::uint64_t forwarded_bytes = 10'000'000;  // larger files are not forwarded
  std::uint32_t read_bytes = 128 << 10;        // of one FUSE read
};

enum class Run { first, second };

Figures peer(const Workload& workload, const MachineProfile& machine, const PeerProfile& peer, const Job& job,
             Run run);

}  // namespace copper::simulation
