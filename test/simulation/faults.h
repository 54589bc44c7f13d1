// What goes wrong in a simulated run, besides that everything may take its time.
#pragma once

#include <chrono>
#include <cstdint>

#include "tree/outcome.h"
#include "tree/simulation/random.h"

namespace copper::simulation {

// In some of the runs.
struct Faults {
  std::uint32_t failures_one_in = 0;  // of storage's looks; 0: none
  std::uint32_t full_one_in = 0;      // times that a rank's cache is asked for room; 0: none
  std::uint32_t stops = 0;            // ranks that stop answering
  std::uint32_t restarts = 0;         // of all ranks, with what they had ready
  std::uint32_t starved = 0;          // links on which everything takes longer,
  Duration starvation{};              // up to so much
  std::uint32_t damaged_one_in = 0;   // of the messages that somebody waits for; 0: none
  bool none() const { return stops == 0 && starved == 0 && damaged_one_in == 0; }
};

inline Faults choose_faults(Random& random, std::uint32_t ranks) {
  using namespace std::chrono_literals;
  Faults faults;
  if (random.one_in(3)) faults.failures_one_in = random.between(3, 60);
  if (ranks > 1 && random.one_in(3)) faults.stops = random.between(1, 2);
  if (ranks > 1 && random.one_in(4)) {
    faults.starved = random.between(1, 4);
    faults.starvation = random.between(10ms, random.one_in(3) ? 9000ms : 300ms);
  }
  if (random.one_in(3)) faults.damaged_one_in = random.between(10, 300);
  if (random.one_in(3)) faults.full_one_in = random.between(1, 30);
  if (random.one_in(3)) faults.restarts = random.between(1, 3);
  return faults;
}

}  // namespace copper::simulation
