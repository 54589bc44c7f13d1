// See mounts.h. A line: id, parent, device, root, path, options, tags..., "-", type, source, super
// options; with space, tab, newline and backslash as three octal digits.
#include "service/storage/mounts.h"

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace copper {
namespace {

bool octal(char c) { return c >= '0' && c <= '7'; }

std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) &&
        octal(text[i + 3])) {
      plain.push_back(
          static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
      i += 3;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

}  // namespace

std::vector<MountedAt> mounts() {
  std::ifstream file("/proc/self/mountinfo");
  if (!file) throw std::runtime_error("cannot read /proc/self/mountinfo");
  std::vector<MountedAt> table;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string id, parent, device, root, path, word, type;
    words >> id >> parent >> device >> root >> path;
    while (words >> word && word != "-") {
    }
    if (words >> type) table.push_back({unescaped(path), type, device});
  }
  return table;
}

}  // namespace copper
