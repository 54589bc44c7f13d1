// See timing_lines.h.
#include "service/outputs/timing_lines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "service/outputs/columns.h"

namespace copper {
namespace {

constexpr std::size_t slowest_named = 5;

struct Taken {
  Rank rank{};
  std::uint64_t us = 0;
};

// "120 (least), 300 (median), 900 (most)", and what stands behind it.
struct Reduced {
  std::string figures;
  std::string where;
};
Reduced reduce(std::vector<Taken> all, const std::vector<std::string>& names) {
  std::ranges::sort(all, {}, &Taken::us);
  std::vector<std::string> slowest;
  for (std::size_t n = 1; n <= std::min(slowest_named, all.size()); ++n) {
    const auto& taken = all[all.size() - n];
    slowest.push_back(fmt::format("{} {}", names.at(number(taken.rank)), taken.us));
  }
  return {fmt::format("{} (least), {} (median), {} (most)", all.front().us, all[(all.size() - 1) / 2].us,
                      all.back().us),
          fmt::format("{} ranks; slowest: {}", all.size(), fmt::join(slowest, ", "))};
}

}  // namespace

std::string registration_line(std::uint64_t us) {
  return fmt::format("provider registration completed after {}", us);
}

std::string first_answer_line(Kind kind, std::uint64_t us) {
  return fmt::format("first successful parent {} completed after {} since provider startup",
                     rpc_name_of(kind), us);
}

std::vector<std::string> timing_lines(const std::vector<Timing>& timings,
                                      const std::vector<std::string>& names, bool first, bool reduced) {
  std::vector<std::string> lines;
  std::map<Kind, std::vector<Taken>> by_kind;
  for (const auto& timing : timings) {
    if (first && !timing.first_answer_us) continue;
    const auto us = first ? *timing.first_answer_us : timing.registered_us;
    by_kind[timing.first_answer].push_back({timing.rank, us});
    if (!reduced)
      lines.push_back(
          fmt::format("rank {} on {}: {}", number(timing.rank), names.at(number(timing.rank)),
                      first ? first_answer_line(timing.first_answer, us) : registration_line(us)));
  }
  if (!reduced) return lines;
  if (first) {
    for (const auto& [kind, taken] : by_kind) {
      const auto sum = reduce(taken, names);
      lines.push_back(fmt::format("first successful parent {} completed after {} since provider startup: {}",
                                  rpc_name_of(kind), sum.figures, sum.where));
    }
    return lines;
  }
  std::vector<Taken> all;
  for (const auto& timing : timings) all.push_back({timing.rank, timing.registered_us});
  if (all.empty()) return lines;
  const auto sum = reduce(std::move(all), names);
  lines.push_back(fmt::format("provider registration completed after {}: {}", sum.figures, sum.where));
  return lines;
}

}  // namespace copper
