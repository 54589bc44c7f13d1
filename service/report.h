// What `copper status`, `copper stats` and `copper clear` are told: JSON text. Reads the engine, the segment
// and the arena between two turns, on the rank's thread. The fields are listed in docs/architecture.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "service/arena.h"
#include "service/restarts.h"
#include "service/segment/segment.h"
#include "tree/engine.h"

namespace copper {

class Report {
 public:
  Report(const Segment& segment, const Arena& arena, std::vector<std::string> names, Restarts restarts,
         Instant started);

  std::string operator()(const Subject& subject, const Engine& engine, Instant now) const;

 private:
  std::string status(const Engine& engine, Instant now) const;
  std::string stats(const Engine& engine, const Census& census) const;
  std::string clearance(const Clearance& clearance) const;

  const Segment& segment_;
  const Arena& arena_;
  std::vector<std::string> names_;  // of the nodes, by rank
  Restarts restarts_;
  Instant started_;
};

}  // namespace copper
