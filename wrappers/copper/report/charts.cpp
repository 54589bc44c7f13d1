// See charts.h.
#include "wrappers/copper/report/charts.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <string_view>

#include "wrappers/copper/svg.h"
#include "wrappers/copper/tables.h"

namespace copper {
namespace {

constexpr double width = 960;
constexpr double area_left = 84;  // of a plot with an axis
constexpr double area_right = 948;
constexpr double panel_height = 112;
constexpr double panel_gap = 50;
constexpr std::string_view muted = " class=\"muted\"";
constexpr std::string_view bold = " class=\"bold\"";

std::string svg_of(double height, std::string_view label, const std::string& content) {
  return fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n", width,
                     height, svg::escaped(label), content);
}

std::string amount(double value, bool bytes) {
  const auto whole = value < 0x1p64 ? static_cast<std::uint64_t>(value) : UINT64_MAX;
  return bytes ? bytes_text(whole) : grouped(whole);
}

// 512.0 MiB -> 512 MiB
std::string tick_text(double value, bool bytes) {
  auto words = amount(value, bytes);
  const auto zero = words.find(".0 ");
  return zero == std::string::npos ? words : words.erase(zero, 2);
}

// The title, the lines of the grid and what they stand for. Returns the axis through `y`.
std::string panel_frame(double top, std::string_view title, double most, bool bytes, svg::Axis& y) {
  const auto at = svg::ticks(most, 4, bytes);
  y = {0, at.back(), top + panel_height, top};
  auto out = svg::text(0, top - 18, "start", title, bold);
  for (const auto tick : at) {
    out += svg::line(area_left, y.place(tick), area_right, y.place(tick),
                     tick > 0 ? "class=\"grid\"" : "class=\"axis\"");
    out += svg::text(area_left - 8, y.place(tick) + 4, "end", tick > 0 ? tick_text(tick, bytes) : "0", muted);
  }
  return out;
}

// ---- time line ----

constexpr std::uint64_t bars_max = 240;

std::uint64_t row_width(const std::vector<SecondFigures>& timeline) {
  std::uint64_t least = UINT64_MAX;
  for (std::size_t i = 1; i < timeline.size(); ++i)
    least = std::min(least, timeline[i].second - timeline[i - 1].second);
  return timeline.size() < 2 ? 1 : least;
}

// Seconds to a bar: rows are joined until there are few enough.
std::uint64_t bar_width(const std::vector<SecondFigures>& timeline) {
  auto wide = row_width(timeline);
  while (timeline.back().second / wide >= bars_max) wide *= 2;
  return wide;
}

std::string seconds_axis(double bottom, double end) {
  std::string out;
  const svg::Axis x{0, end, area_left, area_right};
  for (const auto tick : svg::ticks(end, 8)) {
    if (tick > end) continue;
    out += svg::line(x.place(tick), bottom, x.place(tick), bottom + 5, "class=\"axis\"");
    const auto anchor = x.place(tick) > area_right - 24 ? "end" : "middle";
    out += svg::text(x.place(tick), bottom + 20, anchor, amount(tick, false) + " s", muted);
  }
  return out;
}

std::string timeline_panel(double top, const char* what, const char* colour,
                           const std::vector<SecondFigures>& timeline, std::uint64_t SecondFigures::*figure) {
  const auto wide = bar_width(timeline);
  std::vector<std::uint64_t> bars(timeline.back().second / wide + 1);
  for (const auto& row : timeline) bars[row.second / wide] += row.*figure;
  const auto most = *std::max_element(bars.begin(), bars.end());
  svg::Axis y{};
  const auto each = wide == 1 ? std::string("each second") : fmt::format("each {} seconds", grouped(wide));
  auto out = panel_frame(top, fmt::format("{}, {}", what, each), static_cast<double>(most), false, y);
  const auto step = (area_right - area_left) / static_cast<double>(bars.size());
  for (std::size_t i = 0; i < bars.size(); ++i) {
    if (bars[i] == 0) continue;
    const auto place = y.place(static_cast<double>(bars[i]));
    out += svg::bar(area_left + static_cast<double>(i) * step, place,
                    std::max(step - (step > 6 ? 1.0 : 0.0), 0.5), top + panel_height - place,
                    fmt::format("class=\"{}\"", colour),
                    fmt::format("{} from second {}", grouped(bars[i]), grouped(i * wide)));
  }
  return out;
}

// ---- a bar for each rank ----

using Figure = std::function<std::uint64_t(const RankFigures&)>;

// Nearer to the root, fuller.
std::string depth_class(std::uint64_t depth) {
  return fmt::format("a depth{}", std::min<std::uint64_t>(depth, 4));
}

std::string rank_panel(double top, std::string_view title, const std::vector<RankFigures>& ranks, bool bytes,
                       const Figure& figure, const Figure& limit = nullptr) {
  std::uint64_t most = 0;
  for (const auto& rank : ranks) most = std::max({most, figure(rank), limit ? limit(rank) : 0});
  svg::Axis y{};
  auto out = panel_frame(top, title, static_cast<double>(most), bytes, y);
  const auto step = (area_right - area_left) / static_cast<double>(ranks.size());
  const auto thick = std::min(step * 0.8, 48.0);
  const auto label_every = static_cast<std::size_t>(std::max(1.0, std::ceil(36 / step)));
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const auto& rank = ranks[i];
    const auto middle = area_left + (static_cast<double>(i) + 0.5) * step;
    const auto place = y.place(static_cast<double>(figure(rank)));
    const auto value = amount(static_cast<double>(figure(rank)), bytes);
    out += svg::bar(middle - thick / 2, place, thick, top + panel_height - place,
                    fmt::format("class=\"{}\"", depth_class(rank.depth)),
                    fmt::format("rank {} on {}, depth {}: {}", rank.rank, rank.host, rank.depth, value));
    if (limit) {
      const auto at = y.place(static_cast<double>(limit(rank)));
      out += svg::line(middle - thick / 2 - 2, at, middle + thick / 2 + 2, at, "class=\"limit\"");
    }
    if (i % label_every == 0)
      out += svg::text(middle, top + panel_height + 17, "middle", std::to_string(rank.rank), muted);
  }
  return out;
}

std::string depth_legend(double y, const std::vector<RankFigures>& ranks) {
  std::uint64_t deepest = 0;
  for (const auto& rank : ranks) deepest = std::max(deepest, rank.depth);
  auto out = svg::text(0, y + 10, "start", "rank; depth in the first tree:", muted);
  for (std::uint64_t depth = 0; depth <= std::min<std::uint64_t>(deepest, 4); ++depth) {
    const auto x = 200 + static_cast<double>(depth) * 96;
    out += svg::bar(x, y, 12, 12, fmt::format("class=\"{}\"", depth_class(depth)));
    const auto more = depth == 4 && deepest > 4 ? " and more" : "";
    out += svg::text(x + 18, y + 10, "start",
                     depth == 0 ? std::string("root") : fmt::format("{}{}", depth, more), muted);
  }
  return out;
}

// ---- latency ----

constexpr double histogram_left = 470;
constexpr double latency_row = 30;

std::string latency_row_of(double top, const OperationFigures& one) {
  auto out = svg::text(0, top + 20, "start", one.operation);
  const std::array columns{std::pair{250.0, grouped(one.count)}, std::pair{318.0, time_text(one.p50_us)},
                           std::pair{386.0, time_text(one.p99_us)}, std::pair{454.0, time_text(one.max_us)}};
  for (const auto& [x, words] : columns) out += svg::text(x, top + 20, "end", words, muted);
  const auto step = (area_right - histogram_left) / static_cast<double>(latency_buckets);
  const auto most = *std::max_element(one.buckets.begin(), one.buckets.end());
  for (std::size_t i = 0; i < one.buckets.size(); ++i) {
    if (one.buckets[i] == 0) continue;
    const auto height = std::max(1.5, 24 * static_cast<double>(one.buckets[i]) / static_cast<double>(most));
    const auto up_to =
        i + 1 == latency_buckets ? std::string("longer") : "up to " + time_text(std::uint64_t{1} << i);
    out += svg::bar(histogram_left + static_cast<double>(i) * step + 0.5, top + 26 - height, step - 1, height,
                    "class=\"a\"", fmt::format("{}: {}", up_to, grouped(one.buckets[i])));
  }
  return out + svg::line(histogram_left, top + 26.5, area_right, top + 26.5, "class=\"grid\"");
}

std::string latency_axis(double top, double bottom) {
  std::string out;
  const auto step = (area_right - histogram_left) / static_cast<double>(latency_buckets);
  for (std::size_t i = 0; i + 1 < latency_buckets; i += 5) {
    const auto x = histogram_left + static_cast<double>(i + 1) * step;
    out += svg::line(x, top, x, bottom + 5, "class=\"grid\"");
    out += svg::text(x, bottom + 18, "middle", time_text(std::uint64_t{1} << i), muted);
  }
  return out;
}

std::string layer_title(const std::string& layer) {
  if (layer == "front_end") return "Front ends: from a kernel's request to the reply";
  if (layer == "rank") return "Ranks: from their front end's question to the answer";
  if (layer == "storage") return "Storage: from a root's question to what it gave";
  return layer;
}

// ---- answers ----

struct Answer {
  const char* by;
  const char* colour;
  std::uint64_t count;
};

std::uint64_t less(std::uint64_t from, std::uint64_t what) { return from > what ? from - what : 0; }

std::vector<Answer> answers(const Profile& profile) {
  const auto hits = profile.counter("client_hits");
  const auto joined = profile.counter("client_joined");
  return {
      {"front end, from what it held", "a", profile.counter("fuse_from_view")},
      {"the node's rank, from its cache", "a", hits},
      {"joined a question under way", "a", joined},
      {"parent rank, or storage at a root", "a", less(profile.counter("client_asks"), hits + joined)},
      {"asked of storage by the roots", "b", profile.root_loads()},
      {"storage directly: no rank answered", "b", profile.counter("fuse_direct")},
      {"storage directly: larger than -M", "b", profile.counter("fuse_large_loads")},
  };
}

}  // namespace

std::string time_text(std::uint64_t us) {
  auto value = static_cast<double>(us);
  std::string_view unit = "µs";
  for (const auto next : {"ms", "s"}) {
    if (value < 1000) break;
    value /= 1000;
    unit = next;
  }
  const bool whole = value >= 9.95 || std::round(value * 10) == std::round(value) * 10;
  return whole ? fmt::format("{:.0f} {}", value, unit) : fmt::format("{:.1f} {}", value, unit);
}

std::string timeline_chart(const Profile& profile) {
  if (profile.timeline.empty()) return "<p>Nothing was counted.</p>\n";
  const auto& timeline = profile.timeline;
  constexpr double first = 34;
  constexpr double second = first + panel_height + panel_gap;
  auto out = timeline_panel(first, "Asked of storage", "b", timeline, &SecondFigures::storage_reads);
  out +=
      timeline_panel(second, "Requests of the kernels", "a", timeline, &SecondFigures::front_end_operations);
  const auto wide = bar_width(timeline);
  const auto end = static_cast<double>((timeline.back().second / wide + 1) * wide);
  out += seconds_axis(second + panel_height, end);
  return svg_of(second + panel_height + 30, "Time line", out);
}

std::string answers_chart(const Profile& profile) {
  constexpr double bar_left = 280;
  constexpr double bar_right = 850;
  constexpr double row = 30;
  const auto all = answers(profile);
  std::uint64_t most = 1;
  for (const auto& one : all) most = std::max(most, one.count);
  std::string out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto top = static_cast<double>(i) * row;
    const auto length =
        (bar_right - bar_left) * static_cast<double>(all[i].count) / static_cast<double>(most);
    out += svg::text(bar_left - 12, top + 19, "end", all[i].by);
    if (all[i].count > 0)
      out += svg::bar(bar_left, top + 5, std::max(length, 1.0), row - 10,
                      fmt::format("class=\"{}\"", all[i].colour));
    out += svg::text(bar_left + (all[i].count > 0 ? length : 0) + 8, top + 19, "start", grouped(all[i].count),
                     muted);
  }
  const auto height = static_cast<double>(all.size()) * row;
  out += svg::line(bar_left, 0, bar_left, height, "class=\"axis\"");
  return svg_of(height + 4, "Where questions ended", out);
}

std::string latency_chart(const Profile& profile) {
  auto out = svg::text(250, 14, "end", "count", muted) + svg::text(318, 14, "end", "median", muted) +
             svg::text(386, 14, "end", "99 %", muted) + svg::text(454, 14, "end", "longest", muted);
  std::string rows;
  std::string layer;
  double top = 20;
  for (const auto& one : profile.operations) {
    if (one.count == 0) continue;
    if (one.layer != layer) {
      layer = one.layer;
      rows += svg::text(0, top + 24, "start", layer_title(layer), bold);
      top += 32;
    }
    rows += latency_row_of(top, one);
    top += latency_row;
  }
  if (layer.empty()) return "<p>Nothing was counted.</p>\n";
  return svg_of(top + 26, "Latency", out + latency_axis(22, top) + rows);
}

std::string load_chart(const Profile& profile) {
  if (profile.ranks.empty()) return "<p>Nothing was counted.</p>\n";
  const auto& ranks = profile.ranks;
  constexpr double step = panel_height + panel_gap + 8;
  auto out = rank_panel(34, "Bytes sent", ranks, true, [](const auto& rank) { return rank.bytes_sent; });
  out += rank_panel(34 + step, "Messages sent", ranks, false,
                    [](const auto& rank) { return rank.messages_sent; });
  out += rank_panel(34 + 2 * step, "Asked of storage", ranks, false,
                    [](const auto& rank) { return rank.storage_reads; });
  return svg_of(34 + 3 * step + 4, "Load of the ranks", out + depth_legend(34 + 3 * step - 16, ranks));
}

std::string memory_chart(const Profile& profile) {
  if (profile.ranks.empty()) return "<p>Nothing was counted.</p>\n";
  const auto used = [](const RankFigures& rank) { return rank.cache_bytes; };
  const auto budget = [](const RankFigures& rank) { return rank.cache_budget; };
  return svg_of(
      panel_height + 56, "Memory",
      rank_panel(34, "Cache at the end, below its budget (the line)", profile.ranks, true, used, budget));
}

}  // namespace copper
