// Pieces of a picture as SVG text, in the units of its viewBox. Pure. `more` is further attributes, as they
// are.
#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace copper::svg {

// As text or as an attribute's value, of SVG and of HTML: no mark-up, no control characters, and U+FFFD for
// each byte that is no UTF-8.
std::string escaped(std::string_view text);

// anchor: start, middle or end.
std::string text(double x, double y, const char* anchor, std::string_view words, std::string_view more = {});
std::string line(double x1, double y1, double x2, double y2, std::string_view more);
// `title`, where there is one, is what a browser shows when it is pointed at.
std::string bar(double x, double y, double width, double height, std::string_view more,
                std::string_view title = {});

// From a value to a place on an axis.
struct Axis {
  double first;  // values
  double last;   // not first
  double from;   // places
  double to;
  double place(double value) const { return from + (value - first) / (last - first) * (to - from); }
};

// Whole numbers that divide an axis from 0 to `most` or more: multiples of 1, 2 or 5 times a power of ten, at
// most `about` + 1 of them. Of bytes: of KiB, MiB and so on, which then need not be whole.
std::vector<double> ticks(double most, int about, bool of_bytes = false);

}  // namespace copper::svg
