// What was simulated, by number of nodes, as text, JSON and SVG. Pure: values in, text out.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tree/simulation/replay/figures.h"

namespace copper {

struct ComparisonRow {
  std::uint32_t nodes = 1;
  simulation::Figures direct;
  simulation::Figures peer_first;
  simulation::Figures peer_second;
  simulation::Figures copper;
  std::optional<simulation::Figures> dead_ranks;  // then there is nothing else, in any row
  Duration lower_bound{};
  Duration two_tree{};
};

struct Comparison {
  std::string trace;    // its file
  std::string network;  // its name and all its numbers
  std::string storage;  // likewise
  std::string service;  // how the ranks were set up
  std::uint32_t processes = 1;
  Duration thinking{};              // of one process
  std::vector<ComparisonRow> rows;  // by nodes, ascending
};

inline double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

std::string comparison_text(const Comparison& comparison);
std::string comparison_json(const Comparison& comparison);
// Seconds over nodes, both axes logarithmic. Needs one row.
std::string comparison_svg(const Comparison& comparison);

}  // namespace copper
