// How long things take. The protocol must be right in every world; what it costs depends on this one. A model
// of a machine (bandwidth, storage rates, queues) is another World.
#pragma once

#include <cstddef>
#include <map>
#include <utility>

#include "tree/node/node.h"
#include "tree/simulation/random.h"

namespace copper::simulation {

// What has happened to a rank: MPI offers nothing to sleep on, so a message is seen when the rank next looks,
// while its own front end and storage ring its doorbell. While long payloads are under way it looks all the
// time.
enum class Cause { message, doorbell, bulk };

// What a rank has taken from one of its ports: segments, all that came since its last turn.
enum class Work { message, question, loaded, segment };

class World {
 public:
  virtual ~World() = default;
  // When a message of that many bytes, header and payload, has come to the receiver's network interface.
  // Order between two ranks is kept by the simulation.
  virtual Instant arrives(Rank from, Rank to, std::size_t bytes, Instant sent) = 0;
  // ... and when that interface has taken it in, being shared by all who send to it. Asked once, at
  // `arrived`.
  virtual Instant received(Rank, std::size_t /*bytes*/, Instant arrived) { return arrived; }
  // Is the message damaged on its way, beyond recognition? (Where the detail is whole.)
  virtual bool damages(Rank /*from*/, Rank /*to*/, const Message&) { return false; }
  // Has the rank's cache room now for what arrives? Where it has none the bytes lie elsewhere.
  virtual bool has_room(Rank) { return true; }
  // When storage looks at what it was asked, and when its answer is there (after that).
  virtual Instant looks(Rank by, const Load& load, Instant asked) = 0;
  virtual Instant loads(Rank by, const Loaded& loaded, Instant looked) = 0;
  // When a rank to which something has happened takes its next turn: an idle one sleeps, a busy one is not
  // done yet.
  virtual Instant wakes(Rank rank, Cause cause, Instant happened) = 0;
  // In its turn, now, the rank has taken this. What it sends, loads and replies in that turn comes after all
  // it has taken.
  virtual void takes(Rank, Work, std::size_t /*segment bytes*/, Instant /*now*/) {}
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

  // From now on what `from` sends to `to` takes up to so much longer.
  void starve(Rank from, Rank to, Duration longest) { starved_[{from, to}] = longest; }

  // From now on one in so many of those messages is damaged that somebody waits for; 0: none.
  void damage_one_in(std::uint32_t messages) { damaged_one_in_ = messages; }

  // From now on a rank's cache has no room, each time it is asked with one in so many; 0: it always has.
  void full_one_in(std::uint32_t times) { full_one_in_ = times; }

  bool has_room(Rank) override { return full_one_in_ == 0 || !random_.one_in(full_one_in_); }
  bool damages(Rank, Rank, const Message& message) override {
    const bool waited_for = std::holds_alternative<Ask>(message) || std::holds_alternative<Answer>(message) ||
                            std::holds_alternative<Publish>(message);
    return damaged_one_in_ > 0 && waited_for && random_.one_in(damaged_one_in_);
  }
  Instant arrives(Rank from, Rank to, std::size_t, Instant sent) override {
    const auto starved = starved_.find({from, to});
    return sent + upto(longest_.message) + (starved == starved_.end() ? Duration{} : upto(starved->second));
  }
  Instant looks(Rank, const Load&, Instant asked) override { return asked + upto(longest_.look); }
  Instant loads(Rank, const Loaded&, Instant looked) override { return looked + upto(longest_.load); }
  Instant wakes(Rank, Cause, Instant happened) override { return happened + upto(longest_.wake); }

  const Longest& longest() const { return longest_; }

 private:
  Duration upto(Duration longest) { return random_.between(Duration{1}, longest); }

  Random random_;
  Longest longest_;
  std::map<std::pair<Rank, Rank>, Duration> starved_;
  std::uint32_t damaged_one_in_ = 0;
  std::uint32_t full_one_in_ = 0;
};

}  // namespace copper::simulation
