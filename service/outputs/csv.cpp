// See csv.h.
#include "service/outputs/csv.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

namespace copper {
namespace {

// Bytes of the character that the text begins with; 0 where it begins with none.
std::size_t character(std::string_view text) {
  const auto byte = [&](std::size_t n) { return static_cast<unsigned char>(text[n]); };
  const auto first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  std::uint32_t code = first & (0xffu >> (size + 1));
  for (std::size_t n = 1; n < size; ++n) {
    if ((byte(n) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(n) & 0x3fu);
  }
  const bool too_long = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  const bool half = code >= 0xd800 && code < 0xe000;
  return too_long || half || code > 0x10ffff ? 0 : size;
}

}  // namespace

std::string as_utf8(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const auto size = character(bytes);
    if (size == 0)
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes.front()));
    else
      text += bytes.substr(0, size);
    bytes.remove_prefix(size == 0 ? 1 : size);
  }
  return text;
}

std::string csv_field(std::string_view bytes) {
  auto text = as_utf8(bytes);
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace copper
