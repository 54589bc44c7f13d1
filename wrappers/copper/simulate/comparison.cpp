#include "wrappers/copper/simulate/comparison.h"

#include <fmt/core.h>

#include <array>
#include <nlohmann/json.hpp>

#include "wrappers/copper/tables.h"

namespace copper {
namespace {

using simulation::Figures;

std::string time_text(Duration d) {
  const auto s = seconds(d);
  return s < 1 ? fmt::format("{:.0f} ms", 1e3 * s) : fmt::format("{:.{}f} s", s, s < 100 ? 1 : 0);
}
std::string decimal_bytes_text(std::uint64_t bytes) {
  auto value = static_cast<double>(bytes);
  const char* unit = "B";
  for (const auto* next : {"kB", "MB", "GB", "TB", "PB"}) {
    if (value < 1000) break;
    value /= 1000;
    unit = next;
  }
  return fmt::format("{:.3g} {}", value, unit);
}

std::string row_text(const std::array<std::string, 14>& cells) {
  static constexpr std::array widths{6, 8, 8, 8, 8, 8, 8, 22, 13, 10, 8, 8, 11, 5};
  std::string text;
  for (std::size_t i = 0; i < cells.size(); ++i)
    text += fmt::format("{}{:>{}}",
                        i == 1 || i == 5 || i == 7 || i == 10 ? " | "
                        : i == 0                              ? ""
                                                              : " ",
                        cells[i], widths[i]);
  return text + "\n";
}

bool of_dead_ranks(const Comparison& comparison) {
  return !comparison.rows.empty() && comparison.rows.front().dead_ranks;
}

std::string dead_ranks_text(const Comparison& comparison) {
  auto text = fmt::format("{:>6} {:>12} {:>22} {:>24}\n", "nodes", "ranks dead", "operations of storage",
                          "in one second");
  for (const auto& row : comparison.rows) {
    const auto& figures = *row.dead_ranks;
    text += fmt::format("{:>6} {:>12} {:>22} {:>24}\n", row.nodes, time_text(figures.finish),
                        grouped(figures.storage_operations), grouped(figures.busiest_second));
  }
  return text;
}

nlohmann::ordered_json figures_json(const Figures& figures) {
  return {{"finish_s", seconds(figures.finish)},          {"storage_operations", figures.storage_operations},
          {"storage_bytes", figures.storage_bytes},       {"network_bytes", figures.network_bytes},
          {"busiest_messages", figures.busiest_messages}, {"busiest_share", figures.busiest_share},
          {"busiest_second", figures.busiest_second}};
}

}  // namespace

std::string comparison_text(const Comparison& comparison) {
  auto text = fmt::format(
      "{}: {} processes on each node, each of which thinks for {}\nnetwork: {}\nstorage: {}\ncopper: {}\n\n",
      comparison.trace, comparison.processes, time_text(comparison.thinking), comparison.network,
      comparison.storage, comparison.service);
  if (of_dead_ranks(comparison)) return text + dead_ranks_text(comparison);
  text += row_text({"", "", "peer", "peer", "", "lower", "", "operations of storage:", "", "", "from", "over",
                    "busiest", "its"});
  text += row_text({"nodes", "direct", "first", "second", "copper", "bound", "two-tree", "direct", "peer",
                    "copper", "storage", "network", "rank's msgs", "CPU"});
  for (const auto& row : comparison.rows)
    text += row_text({std::to_string(row.nodes), time_text(row.direct.finish),
                      time_text(row.peer_first.finish), time_text(row.peer_second.finish),
                      time_text(row.copper.finish), time_text(row.lower_bound), time_text(row.two_tree),
                      grouped(row.direct.storage_operations), grouped(row.peer_first.storage_operations),
                      grouped(row.copper.storage_operations), decimal_bytes_text(row.copper.storage_bytes),
                      decimal_bytes_text(row.copper.network_bytes), grouped(row.copper.busiest_messages),
                      fmt::format("{:.0f} %", 100 * row.copper.busiest_share)});
  return text;
}

std::string comparison_json(const Comparison& comparison) {
  auto rows = nlohmann::ordered_json::array();
  for (const auto& row : comparison.rows) {
    if (row.dead_ranks) {
      rows.push_back({{"nodes", row.nodes}, {"dead_ranks", figures_json(*row.dead_ranks)}});
      continue;
    }
    rows.push_back({{"nodes", row.nodes},
                    {"direct", figures_json(row.direct)},
                    {"peer_first", figures_json(row.peer_first)},
                    {"peer_second", figures_json(row.peer_second)},
                    {"copper", figures_json(row.copper)},
                    {"lower_bound_s", seconds(row.lower_bound)},
                    {"two_tree_s", seconds(row.two_tree)}});
  }
  const nlohmann::ordered_json all{{"trace", comparison.trace},
                                   {"network", comparison.network},
                                   {"storage", comparison.storage},
                                   {"service", comparison.service},
                                   {"processes", comparison.processes},
                                   {"thinking_s", seconds(comparison.thinking)},
                                   {"rows", rows}};
  return all.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace copper
