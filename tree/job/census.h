// The job's counters, and where they are wanted its profile, asked for at any rank: Chang's echo algorithm
// (1982; "propagation of information with feedback") over the edges of the first tree. The asker says Count
// to all its neighbours, parent and children alike; a rank that is told Count tells all its other neighbours,
// and when those have sent Counted, it sends the sum with itself to the one who told it. On a tree each edge
// carries one Count and one Counted, and each rank is counted once. A profile is large: each rank sends the
// sum in portions ahead of its Counted.
//
// The asker waits for at most limits::census_patience and reports the ranks it has by then. Whoever takes
// part sends what it has some time before the one who told it gives up, the sooner the farther from the
// asker: so a rank that is silent costs the count of those behind it, not of those beside. Pure: events in,
// actions out, no clock. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "tree/node/node.h"
#include "tree/profile/profile.h"

namespace copper {

// What the job's counters are at one moment, as far as ranks answered.
struct Census {
  Counters counters;
  std::uint32_t ranks = 0;  // that answered
  Profile profile;          // of as much as was asked for
};

class CensusTaker {
 public:
  CensusTaker(Rank self, const Topology& topology);

  // What this rank has to say for itself, when it comes to that.
  using Own = std::function<Census(Scope)>;

  // Begins a census of this rank's own and returns its number.
  std::uint64_t begin(Scope scope, const Own& own, Instant now, Actions& out);

  // A neighbour's message. False, and nothing happens, where it is none that it may send. What comes too late
  // is dropped.
  bool on_count(Rank from, const Count& message, const Own& own, Instant now, Actions& out);
  bool on_portion(Rank from, const Portion& message);
  bool on_counted(Rank from, const Counted& message, Actions& out);

  // When time has passed: says what it has to those whose patience ends.
  void on_time(Instant now, Actions& out);
  // One of this rank's own censuses that is complete, or whose time is up; each is taken once.
  struct Taken {
    std::uint64_t number = 0;
    Census census;
  };
  std::optional<Taken> taken(Instant now);
  std::optional<Instant> deadline() const;

 private:
  // What a neighbour has sent of its profile: it counts when all of it has come.
  struct Answering {
    std::uint32_t portions = 0;
    Profile profile;
  };
  struct UnderWay {
    std::optional<Rank> told_by;          // nothing: this rank's own
    std::map<Rank, Answering> awaited{};  // neighbours that have not answered
    Census sum{};
    Instant due{};
  };
  bool is_neighbour(Rank rank) const;
  Duration patience(std::uint32_t hops) const;
  void spread(const Count& count, UnderWay census, Actions& out);
  void finish(const JobRequest& name, const UnderWay& census, Actions& out);

  Rank self_;
  Topology topology_;
  std::vector<Rank> neighbours_;
  std::uint32_t hops_max_;  // between any two ranks
  std::map<JobRequest, UnderWay> under_way_;
  std::uint64_t last_number_ = 0;
};

}  // namespace copper
