// How long things take. The protocol must be right in every world; what it costs depends on this one. A model
// of a machine (bandwidth, storage rates, queues) is another World.
#pragma once

#include <cstddef>

#include "tree/node.h"
#include "tree/simulation/random.h"

namespace copper::simulation {

class World {
 public:
  virtual ~World() = default;
  // When a message of that many bytes, header and payload, is there. Order between two ranks is kept by the
  // simulation.
  virtual Instant arrives(Rank from, Rank to, std::size_t bytes, Instant sent) = 0;
  // When storage looks at what it was asked, and when its answer is there (after that).
  virtual Instant looks(Rank by, const Load& load, Instant asked) = 0;
  virtual Instant loads(Rank by, const Loaded& loaded, Instant looked) = 0;
  // When a rank to which something has happened takes its next turn: an idle one sleeps.
  virtual Instant wakes(Rank rank, Instant happened) = 0;
};

// Anything may take any time up to a longest one.
class RandomWorld final : public World {
 public:
  struct Longest {
    Duration message = std::chrono::milliseconds(1);
    Duration look = std::chrono::milliseconds(20);
    Duration load = std::chrono::milliseconds(20);
    Duration wake = std::chrono::microseconds(100);
  };
  RandomWorld(std::uint64_t seed, const Longest& longest) : random_(seed), longest_(longest) {}

  Instant arrives(Rank, Rank, std::size_t, Instant sent) override { return sent + upto(longest_.message); }
  Instant looks(Rank, const Load&, Instant asked) override { return asked + upto(longest_.look); }
  Instant loads(Rank, const Loaded&, Instant looked) override { return looked + upto(longest_.load); }
  Instant wakes(Rank, Instant happened) override { return happened + upto(longest_.wake); }

  const Longest& longest() const { return longest_; }

 private:
  Duration upto(Duration longest) { return random_.between(Duration{1}, longest); }

  Random random_;
  Longest longest_;
};

}  // namespace copper::simulation
