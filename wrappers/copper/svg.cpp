// See svg.h.
#include "wrappers/copper/svg.h"

#include <fmt/core.h>

#include <algorithm>

namespace copper::svg {
namespace {

// The bytes of the UTF-8 character that text begins with; 0: it begins with none.
std::size_t character(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t bytes = first < 0x80   ? 1
                            : first < 0xC2 ? 0
                            : first < 0xE0 ? 2
                            : first < 0xF0 ? 3
                            : first < 0xF5 ? 4
                                           : 0;
  if (bytes == 0 || bytes > text.size()) return 0;
  for (std::size_t i = 1; i < bytes; ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 0;
  const auto second = bytes > 1 ? static_cast<unsigned char>(text[1]) : 0;
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool no_character = (first == 0xED && second >= 0xA0) || (first == 0xF4 && second >= 0x90);
  return overlong || no_character ? 0 : bytes;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto bytes = character(text);
    const char c = text[0];
    if (bytes == 0)
      out += "\xEF\xBF\xBD";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else if (bytes == 1 && (static_cast<unsigned char>(c) < 0x20 || c == 0x7F))
      out += ' ';
    else
      out += text.substr(0, bytes);
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return out;
}

std::string text(double x, double y, const char* anchor, std::string_view words, std::string_view more) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, anchor, more,
                     escaped(words));
}

std::string line(double x1, double y1, double x2, double y2, std::string_view more) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1, x2, y2,
                     more);
}

std::string bar(double x, double y, double width, double height, std::string_view more,
                std::string_view title) {
  const auto rect = fmt::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" {}", x, y,
                                width, height, more);
  if (title.empty()) return rect + "/>\n";
  return rect + "><title>" + escaped(title) + "</title></rect>\n";
}

std::vector<double> ticks(double most, int about, bool of_bytes) {
  double unit = 1;
  while (of_bytes && unit * 1024 <= most) unit *= 1024;
  const auto in_units = most > 0 ? most / unit : 1;
  const auto power = std::pow(10.0, std::floor(std::log10(in_units / about)));
  auto step = power;
  for (const double times : {1.0, 2.0, 5.0, 10.0}) {
    step = times * power;
    if (step * about >= in_units) break;
  }
  if (unit == 1) step = std::max(step, 1.0);
  std::vector<double> at;
  const auto count = std::ceil(in_units / step - 1e-9);
  for (double i = 0; i <= count; ++i) at.push_back(i * step * unit);
  return at;
}

}  // namespace copper::svg
