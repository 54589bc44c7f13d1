// What came from another rank and cannot be believed: counted, and the first of each kind told, with who sent
// it. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "tree/counters.h"
#include "tree/topology.h"

namespace copper {

enum class Damage : std::uint8_t {
  message,       // nothing that decode() believes: magic, version, length, checksum, a field out of range
  another_tree,  // a message on the way of a tree that its key does not belong to
  segment,       // of another length than its header says
  payload,       // whole, and its checksum is not the tag that its header names
};
inline constexpr std::size_t damage_kinds = 4;

class DamageReport {
 public:
  // `say` is given one line for the first of each kind.
  DamageReport(Counters& counters, std::function<void(const std::string&)> say)
      : counters_(counters), say_(std::move(say)) {}

  void operator()(Damage damage, Rank from);

 private:
  Counters& counters_;
  std::function<void(const std::string&)> say_;
  std::array<bool, damage_kinds> said_{};
};

}  // namespace copper
