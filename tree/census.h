// The job's counters, asked for at any rank: Chang's echo algorithm (1982; "propagation of information with
// feedback") over the edges of the first tree. The asker says Count to all its neighbours, parent and
// children alike; a rank that is told Count tells all its other neighbours, and when those have sent Counted,
// it sends the sum with itself to the one who told it. On a tree each edge carries one Count and one Counted,
// and each rank is counted once.
//
// The asker waits for at most limits::census_patience and reports the ranks it has by then; others forget
// after limits::census_memory. Pure: events in, actions out, no clock. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "tree/node.h"

namespace copper {

// What the job's counters are at one moment, as far as ranks answered.
struct Census {
  Counters counters;
  std::uint32_t ranks = 0;  // that answered
};

class CensusTaker {
 public:
  CensusTaker(Rank self, const Topology& topology);

  // Begins a census of this rank's own and returns its number. `own`: this rank's counters.
  std::uint64_t begin(const Counters& own, Instant now, Actions& out);

  // A neighbour's message. False, and nothing happens, where it is none that it may send. A Counted that
  // comes too late is dropped.
  bool on_count(Rank from, const Count& message, const Counters& own, Instant now, Actions& out);
  bool on_counted(Rank from, const Counted& message, Actions& out);

  // One of this rank's own censuses that is complete, or whose time is up; each is taken once. Also forgets
  // those of others that are too old.
  struct Taken {
    std::uint64_t number = 0;
    Census census;
  };
  std::optional<Taken> taken(Instant now);
  std::optional<Instant> deadline() const;

 private:
  struct UnderWay {
    std::optional<Rank> told_by;  // nothing: this rank's own
    std::vector<Rank> awaited;    // neighbours that have not answered
    Census sum;
    Instant due{};
  };
  bool is_neighbour(Rank rank) const;
  void spread(const JobRequest& name, UnderWay census, Actions& out);
  void finish(const JobRequest& name, const UnderWay& census, Actions& out);

  Rank self_;
  Topology topology_;
  std::vector<Rank> neighbours_;
  std::map<JobRequest, UnderWay> under_way_;
  std::uint64_t last_number_ = 0;
};

}  // namespace copper
