// Do those live whom this rank has asked? A slow answer is no death: storage may be slow. So who owes an
// answer and has been silent for limits::peer_patience is asked (Ping), which a living rank answers at once,
// whatever it waits for itself; who stays silent for as long again is dead, until it is heard of again.
// Silence counts only as far as this rank was awake to hear it.
//
// Neighbours are watched besides: asked when they have been silent for limits::watch_pause though they owe
// nothing. One that is dead is asked on, and lost when it has been silent for limits::peer_lost: it will not
// come back by itself.
//
// Pure: events in, actions out, no clock. One thread.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "tree/message.h"
#include "tree/outcome.h"
#include "tree/topology.h"

namespace copper {

class Liveness {
 public:
  void watch(Rank peer, Instant now);

  // One more, or one less, answer that `peer` owes.
  void owes(Rank peer, Instant now);
  void paid(Rank peer);

  // Anything has come from `peer`.
  void heard(Rank peer, Instant now);
  bool dead(Rank peer) const;
  std::vector<Rank> dead() const;
  // Since `when`?
  bool heard_since(Rank peer, Instant when) const;

  // Who is to be asked now, who has just been found dead, and who lost.
  struct Look {
    std::vector<Rank> ask;
    std::vector<Rank> died;
    std::vector<Rank> lost;
  };
  Look look(Instant now);
  std::optional<Instant> deadline() const;

 private:
  enum class State { trusted, asked, dead, lost };
  struct Peer {
    std::size_t owed = 0;
    bool watched = false;
    State state = State::trusted;
    Instant heard{};     // or, where it owed nothing then, when it began to owe
    Duration silence{};  // since it was asked
    Instant looked{};    // since it was asked: when last
    Duration asked{};    // the silence by which it was asked last
  };
  Peer* find(Rank rank);
  Peer& known(Rank rank);
  static bool looked_at(const Peer& peer);
  static void look(Rank rank, Peer& peer, Instant now, Look& result);
  std::vector<std::pair<Rank, Peer>> peers_;  // parents, and those that are watched
};

}  // namespace copper
