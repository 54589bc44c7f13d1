// Streams of which segments may still come although nobody receives them: their header could not be read, or
// they ended damaged. A transport asks for them and throws their segments away, so that their sender gets rid
// of them, and no later stream of the same number takes them for its own. Pure. One thread.
//
// Numbers are given in turn (tree/flow/outbox.h), so after a header that could not be read the gap before the
// next one says what was lost. What is lost is forgotten when its number comes near again.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "tree/limits.h"
#include "tree/topology.h"

namespace copper {

class LostStreams {
 public:
  explicit LostStreams(std::uint32_t streams = limits::streams) : streams_(streams) {}

  // A header came that could not be read.
  void unreadable(Rank from, Tree tree) { lanes_[{from, tree}].gap = true; }
  // A good header with stream `number` came; in order. The gap before it is lost, where one was announced.
  void begun(Rank from, Tree tree, std::uint32_t number);
  // The stream's header was good, and it ended damaged (or nobody wants it).
  void lost(Rank from, Tree tree, std::uint32_t number) { lanes_[{from, tree}].lose(number); }

  bool empty() const;
  template <class F>
  void for_each(F each) const {  // each(from, tree, number)
    for (const auto& [name, lane] : lanes_)
      for (const auto number : lane.lost) each(name.first, name.second, number);
  }

 private:
  struct Lane {
    std::uint32_t next = 1;
    bool gap = false;
    std::set<std::uint32_t> lost;  // at most limits::streams_lost
    void lose(std::uint32_t number) {
      if (lost.size() < limits::streams_lost) lost.insert(number);
    }
  };

  std::uint32_t ahead(std::uint32_t number, std::uint32_t of) const {
    return (number + streams_ - of) % streams_;
  }

  std::uint32_t streams_;
  std::map<std::pair<Rank, Tree>, Lane> lanes_;
};

}  // namespace copper
