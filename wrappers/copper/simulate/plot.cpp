// The picture of a comparison: an SVG, drawn by hand. Both axes logarithmic.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "wrappers/copper/simulate/comparison.h"
#include "wrappers/copper/svg.h"

namespace copper {
namespace {

using svg::Axis;

constexpr double width = 960;
constexpr double height = 600;
constexpr double area_left = 80;
constexpr double area_right = 740;  // of the area; the legend is beyond
constexpr double area_top = 72;
constexpr double area_bottom = 530;

struct Curve {
  const char* name;
  const char* colour;
  const char* dash;  // of stroke-dasharray; none: drawn through, with points
  std::function<Duration(const ComparisonRow&)> time;
};

const std::array<Curve, 6>& curves() {
  // Colours that the colour-blind tell apart (Okabe and Ito).
  static const std::array<Curve, 6> all{
      Curve{"direct", "#d55e00", "", [](const auto& row) { return row.direct.finish; }},
      Curve{"peer, first run", "#cc79a7", "", [](const auto& row) { return row.peer_first.finish; }},
      Curve{"peer, second run", "#e69f00", "", [](const auto& row) { return row.peer_second.finish; }},
      Curve{"Copper", "#0072b2", "", [](const auto& row) { return row.copper.finish; }},
      Curve{"lower bound", "#000000", "2 4", [](const auto& row) { return row.lower_bound; }},
      Curve{"two-tree broadcast", "#009e73", "8 4", [](const auto& row) { return row.two_tree; }},
  };
  return all;
}

Axis node_axis(const Comparison& comparison) {
  const auto first = std::log10(comparison.rows.front().nodes);
  const auto last = std::log10(comparison.rows.back().nodes);
  return {first, std::max(last, first + 0.3), area_left, area_right};
}
// Whole powers of ten around all that is drawn.
Axis time_axis(const Comparison& comparison) {
  double least = 1e300;
  double most = 0;
  for (const auto& row : comparison.rows)
    for (const auto& curve : curves())
      if (const auto s = seconds(curve.time(row)); s > 0) {
        least = std::min(least, s);
        most = std::max(most, s);
      }
  if (most <= 0) return {-3, 0, area_bottom, area_top};
  const auto first = std::floor(std::log10(least));
  return {first, std::max(std::ceil(std::log10(most)), first + 1), area_bottom, area_top};
}

std::string axes(const Comparison& comparison, const Axis& x, const Axis& y) {
  std::string out;
  for (auto power = y.first; power <= y.last + 0.5; power += 1) {
    const auto at = y.place(power);
    out += svg::line(area_left, at, area_right, at, "stroke=\"#ddd\"");
    out += svg::text(area_left - 8, at + 4, "end", fmt::format("{:g}", std::pow(10.0, power)));
  }
  double last_label = -1e9;
  for (const auto& row : comparison.rows) {
    const auto at = x.place(std::log10(row.nodes));
    out += svg::line(at, area_bottom, at, area_bottom + 5, "stroke=\"#000\"");
    if (at - last_label < 38) continue;  // no room for it
    last_label = at;
    out += svg::text(at, area_bottom + 20, "middle", std::to_string(row.nodes));
  }
  out += svg::line(area_left, area_bottom, area_right, area_bottom, "stroke=\"#000\"");
  out += svg::line(area_left, area_bottom, area_left, area_top, "stroke=\"#000\"");
  out += svg::text((area_left + area_right) / 2, area_bottom + 44, "middle", "nodes");
  out += svg::text(
      0, 0, "middle", "time to finish, seconds",
      fmt::format(" transform=\"translate(22 {:.0f}) rotate(-90)\"", (area_top + area_bottom) / 2).c_str());
  return out;
}

std::string curve_svg(const Comparison& comparison, const Curve& curve, const Axis& x, const Axis& y) {
  std::string points;
  std::string dots;
  const bool through = curve.dash[0] == '\0';
  for (const auto& row : comparison.rows) {
    const auto s = seconds(curve.time(row));
    if (s <= 0) continue;  // has no place on a logarithmic axis
    points += fmt::format("{:.1f},{:.1f} ", x.place(std::log10(row.nodes)), y.place(std::log10(s)));
    if (through)
      dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n",
                          x.place(std::log10(row.nodes)), y.place(std::log10(s)), curve.colour);
  }
  return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{}/>\n", points,
                     curve.colour, through ? "" : fmt::format(" stroke-dasharray=\"{}\"", curve.dash)) +
         dots;
}

std::string legend() {
  std::string out;
  double y = area_top + 10;
  for (const auto& curve : curves()) {
    const bool through = curve.dash[0] == '\0';
    out += svg::line(area_right + 24, y, area_right + 60, y,
                     fmt::format("stroke=\"{}\" stroke-width=\"2\"{}", curve.colour,
                                 through ? "" : fmt::format(" stroke-dasharray=\"{}\"", curve.dash)));
    out += svg::text(area_right + 68, y + 4, "start", curve.name);
    y += 24;
  }
  return out;
}

}  // namespace

std::string comparison_svg(const Comparison& comparison) {
  const auto x = node_axis(comparison);
  const auto y = time_axis(comparison);
  auto out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
      width, height);
  out += svg::text(area_left, 24, "start",
                   fmt::format("{}, {} processes on each node", comparison.trace, comparison.processes),
                   " font-size=\"16\"");
  out += svg::text(area_left, 42, "start", comparison.network + "; " + comparison.service,
                   " font-size=\"10\" fill=\"#555\"");
  out += svg::text(area_left, 54, "start", comparison.storage, " font-size=\"10\" fill=\"#555\"");
  out += axes(comparison, x, y);
  for (const auto& curve : curves()) out += curve_svg(comparison, curve, x, y);
  out += legend();
  return out + "</svg>\n";
}

}  // namespace copper
