// The loop that joins a node to its ports: product code in both worlds, the MPI rank's and the simulator's.
// One turn takes at most limits::events_per_turn events from each port, feeds them to the protocol and
// carries its actions out, in order. One thread; never blocks; knows no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tree/job/census.h"
#include "tree/job/clearing.h"
#include "tree/job/readiness.h"
#include "tree/node/node.h"
#include "tree/ports.h"

namespace copper {

// What a control answer tells of: the rank as it is, the job's counters, what became of a clear.
struct Status {};
using Subject = std::variant<Status, Census, Clearance>;

class Engine {
 public:
  // Writes a control answer. Printing lives with the caller.
  using Reporter = std::function<std::string(const Subject&, const Engine&, Instant now)>;

  // What this rank adds to a profile: of as much as the scope says.
  using Profiler = std::function<Profile(Scope, const Engine&, Instant now)>;

  // All but the reporter and the profiler must outlive the engine. Without a profiler profiles are empty.
  Engine(Node& node, Transport& transport, Storage& storage, Clients& clients, Reporter reporter,
         Profiler profiler = {});

  // Returns the number of events handled: zero when there was nothing to do.
  std::size_t turn(Instant now);

  // The earliest instant at which a turn is needed though no event comes (a census, a clear or a ready list
  // that is due).
  std::optional<Instant> deadline() const;

  // A census for the rank itself: begun here, it comes out of census_taken() some turns later, each one once.
  std::uint64_t begin_census(Scope scope, Instant now);
  std::optional<CensusTaker::Taken> census_taken();

  // On rank 0: every rank's mount answers; and which ranks' do not yet. (Elsewhere: of the subtree in the
  // first tree.)
  bool all_ready() const { return readiness_.all_ready(); }
  std::vector<Rank> not_ready() const { return readiness_.not_ready(); }

  const Node& node() const { return node_; }

 private:
  void on_received(Received received, Instant now);
  void on_event(const Event& event, Instant now);
  template <class Gone>
  void went_away(Gone gone);
  std::size_t on_time(Instant now);
  void carry_out(Instant now);
  void on_control(const Control& control, Instant now);
  std::uint64_t begin(Scope scope, Instant now);
  Census own(Scope scope, Instant now) const;
  void report(Client client, const Subject& subject, Instant now);

  Node& node_;
  Transport& transport_;
  Storage& storage_;
  Clients& clients_;
  Reporter reporter_;
  Profiler profiler_;
  Readiness readiness_;
  CensusTaker census_taker_;
  Clearing clearing_;
  std::deque<CensusTaker::Taken> censuses_;  // for the rank itself
  std::map<std::uint64_t, std::optional<Client>>
      asked_stats_;                              // who waits for which census (nobody: the rank),
  std::map<std::uint64_t, Client> asked_clear_;  // for which clear
  Actions actions_;                              // empty between turns
};

}  // namespace copper
