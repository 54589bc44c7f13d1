// The requests of all processes as questions, one after the other: which one each process waits for, and what
// asking costs a node.
#pragma once

#include <cstdint>
#include <vector>

#include "tree/simulation/machine/profile.h"
#include "tree/simulation/replay/figures.h"
#include "tree/simulation/replay/processes.h"
#include "tree/simulation/replay/workload.h"

namespace copper::simulation {

class Asking {
 public:
  // `to_ask`: what a question adds, on its way there and on its way back. The workload outlives this.
  Asking(const Workload& workload, const NodeProfile& node, const Job& job, Duration to_ask);

  const std::vector<Step>& steps() const { return steps_; }

  // A process has come to a step that asks.
  void begin(std::uint32_t node, std::uint32_t process, std::uint32_t step);
  // The number of the question that it waits for.
  std::uint32_t number(std::uint32_t node, std::uint32_t process) const { return at(node, process).question; }
  const Workload::Question& question(std::uint32_t node, std::uint32_t process) const;
  // It is answered. Whether the request has another question.
  bool next(std::uint32_t node, std::uint32_t process);
  // From the last answer to the end of the request.
  Duration reply(std::uint32_t step) const;

 private:
  struct Place {
    std::uint32_t question = 0;
    std::uint32_t end = 0;  // one after the request's last
  };
  Place& at(std::uint32_t node, std::uint32_t process) {
    return places_[std::size_t{node} * processes_ + process];
  }
  const Place& at(std::uint32_t node, std::uint32_t process) const {
    return places_[std::size_t{node} * processes_ + process];
  }
  Duration copy(std::uint32_t bytes) const;

  const Workload& workload_;
  std::uint32_t processes_;  // of a node
  Duration half_;            // of a request that asks
  double copy_ns_per_byte_;
  std::vector<Step> steps_;
  std::vector<Place> places_;
};

}  // namespace copper::simulation
