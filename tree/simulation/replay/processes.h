// The processes of all nodes, each going through the same steps in the same order: think, then touch. What
// one process of a node has touched, the node's kernel keeps, and the others hit; who touches it meanwhile
// waits for it. Steps of a process's own (`own`) are shared with nobody.
//
// Fast, because nothing of this needs an event: a node's processes are advanced one after the other, always
// the one that is earliest, ahead of the queue's time, up to a step that must be begun at its own time
// because something outside the node is asked. That is exact: all go in the same order, so nobody can still
// come before the earliest, unless one waits for the outside; then the earliest waits for its own time too.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "tree/simulation/event_queue.h"
#include "tree/simulation/replay/figures.h"

namespace copper::simulation {

struct Step {
  Duration think{};   // before it
  Duration cost{};    // of the first touch, where nothing outside is asked; else until the outside is asked
  Duration hit{};     // of a later touch
  bool own = false;   // each process's own: always a first touch
  bool asks = false;  // the first touch asks something outside the node
};

// What is outside the nodes.
class Outside {
 public:
  virtual ~Outside() = default;
  // A process touched a step that asks, and now has paid its cost. When it is done, at or after now, or
  // nothing: then Processes::done() follows.
  virtual std::optional<Instant> begin(std::uint32_t node, std::uint32_t process, std::uint32_t step) = 0;
};

class Processes {
 public:
  // All of these outlive it.
  Processes(const std::vector<Step>& steps, const Job& job, Outside& outside, EventQueue& queue);

  // Starts all and lets the queue run empty. Throws Failure unless all got through their steps.
  void run(const Progress& progress);
  // What begin() left open is done, at `at`, now or later.
  void done(std::uint32_t node, std::uint32_t process, Instant at);

  // Where it is.
  std::uint32_t step(std::uint32_t node, std::uint32_t process) const {
    return processes_[std::size_t{node} * job_.processes + process].step;
  }

  // When the last process got through.
  Instant finished() const { return finished_; }

 private:
  enum class State : std::uint8_t { going, waiting, over };
  struct Process {
    Instant at{};  // going: when it touches its step
    std::uint32_t step = 0;
    State state = State::going;
    bool began = false;  // waiting: for what it has begun itself
  };
  // Touched first at a time that is still to come for others.
  struct Recent {
    std::uint32_t step;
    Instant done;
  };
  struct Node {
    std::uint32_t frontier = 0;            // every shared step before it has been touched
    std::uint32_t waiting = 0;             // processes that wait for the outside
    Instant called = Instant::max();       // the next call of advance() in the queue
    std::vector<Recent> recent;            // by step
    std::vector<std::uint32_t> under_way;  // shared steps that wait for the outside
  };

  Process* processes(std::uint32_t node) { return &processes_[std::size_t{node} * job_.processes]; }
  void advance(std::uint32_t node);
  void call(std::uint32_t node, Instant at);
  void begin(std::uint32_t node, std::uint32_t process);
  static std::vector<Recent>::iterator place(Node& node, std::uint32_t step);
  void touched(Node& node, std::uint32_t step, Instant done, Instant earliest);
  void pass(Process& process, Instant at);

  const std::vector<Step>& steps_;
  Job job_;
  Outside& outside_;
  EventQueue& queue_;
  std::vector<Process> processes_;
  std::vector<Node> nodes_;
  std::uint64_t running_;
  std::uint64_t passed_ = 0;
  Instant finished_{};
};

}  // namespace copper::simulation
