// N ranks in one process: each the product's own Node and Engine, between a simulated network, storage and
// front end. One thread, one event queue, no clock: one seed decides everything.
//
// After a run, check() holds it against the protocol's promises: nothing pending, each question answered
// exactly once, stores within their bounds, and the ranks' counters agree with what was seen from outside.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tree/engine.h"
#include "tree/simulation/digest.h"
#include "tree/simulation/event_queue.h"
#include "tree/simulation/simulated_network.h"
#include "tree/simulation/simulated_storage.h"
#include "tree/simulation/world.h"

namespace copper::simulation {

// What runs on the nodes: told of everything their front ends are told.
class Application {
 public:
  virtual ~Application() = default;
  virtual void on_reply(Rank rank, const Reply& reply) = 0;
  virtual void on_report(Rank, Client, const Census&) {}
  virtual void on_census(Rank, const Census&) {}
  virtual void on_clearance(Rank, Client, const Clearance&) {}
  virtual void on_notice(Rank, const Key&) {}
};

class Simulation {
 public:
  // All of these outlive the simulation.
  Simulation(const Topology& topology, const NodeOptions& options, World& world, SimulatedStorage& storage,
             Application& application, Detail detail = Detail::whole, const FlowLimits& flow = {});
  ~Simulation();

  EventQueue& queue() { return queue_; }
  Instant now() const { return queue_.now(); }
  const Topology& topology() const { return topology_; }

  // From now on front ends look for what is ready before they ask: true to the index, as check() holds it
  // against the store.
  void look_first() { look_first_ = true; }

  // From now on ranks watch their neighbours (Node::watch_neighbours): something is always due, so step the
  // queue instead of run(), and check() does not hold.
  void watch_neighbours();

  // On the node of `rank`, now. A client is answered exactly once, by on_reply or (ask_stats) by on_report,
  // or (clear) by on_clearance.
  void ask(Rank rank, Client client, const Key& key, Tag have);
  void ask_stats(Rank rank, Client client);
  // Of the rank's own, told by on_census.
  void take_census(Rank rank, Scope scope);
  void clear(Rank rank, Client client, const Path& path);
  void cancel(Rank rank, Client client);
  void worker_gone(Rank rank, std::uint32_t generation);
  void mounted(Rank rank);
  // The rank does nothing any more, and nothing reaches it. What it owes its own front end is not asked for
  // by check().
  void stop(Rank rank);
  bool stopped(Rank rank) const;
  // All ranks die, the stopped ones too, and others come in their places, which adopt what their predecessors
  // had ready. Whoever waited asks the new rank.
  void restart();

  // Until nothing happens any more. Throws Failure where somebody waits for ever.
  void run();
  // Throws Failure where a promise is broken.
  void check() const;

  const Engine& engine(Rank rank) const;
  // The run's, where the detail is whole.
  std::uint64_t digest() const { return digest_.value(); }
  Counters counters() const;  // of all ranks
  const SimulatedNetwork& network() const { return network_; }

 private:
  class Machine;
  Machine& machine(Rank rank) const { return *machines_[number(rank)]; }

  Topology topology_;
  NodeOptions options_;
  World& world_;
  SimulatedStorage& storage_;
  Application& application_;
  EventQueue queue_;
  bool look_first_ = false;
  std::uint32_t restarts_ = 0;
  Instant last_progress_{};  // when a question was last asked or answered
  Detail detail_;
  Digest digest_;
  SimulatedNetwork network_;
  std::vector<std::unique_ptr<Machine>> machines_;  // by rank
};

}  // namespace copper::simulation
