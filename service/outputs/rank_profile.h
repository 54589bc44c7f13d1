// What this rank adds to a profile: its own counters, those of the node's front end in the segment's header,
// what both and storage took, second by second. One thread, the rank's.
#pragma once

#include "service/arena.h"
#include "service/ring_clients.h"
#include "service/segment/segment.h"
#include "service/storage/storage.h"
#include "tree/engine.h"
#include "tree/profile/profile.h"

namespace copper {

class RankProfile {
 public:
  struct Sources {  // all outlive this
    const Segment& segment;
    const Arena& arena;
    const RingClients& clients;
    const PosixStorage& storage;
  };
  // `started`: where its times begin; `registered`: since when it is ready to serve. `paths`: how many paths
  // a profile keeps.
  RankProfile(const Sources& sources, Instant started, Instant registered, std::size_t paths);

  // Takes note of what has been done since it was last called; to be called every second.
  void look(const Node& node, Instant now);
  Profile profile(Scope scope, const Node& node, Instant now);
  Timing timing(const Node& node) const;

 private:
  std::vector<Latencies> operations() const;
  Activity activity(const Node& node) const;

  const Sources sources_;
  const Instant started_;
  const Instant registered_;
  const std::size_t paths_;
  Activities activities_;
  Activity seen_;  // so far
};

}  // namespace copper
