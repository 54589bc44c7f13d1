// A path as keys carry it: immutable text, shared. Ten thousand keys of one path hold one text, so a key is
// copied without it, and its hash is computed once. Any thread may copy and drop it.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace copper {

class Path {
 public:
  Path() = default;             // ""
  Path(std::string_view text);  // NOLINT: a text is a path, as it is a string
  Path(const std::string& text) : Path(std::string_view(text)) {}  // NOLINT
  Path(const char* text) : Path(std::string_view(text)) {}         // NOLINT

  const std::string& str() const { return text_ ? text_->chars : empty; }
  operator std::string_view() const { return str(); }  // NOLINT
  std::size_t size() const { return str().size(); }
  std::uint64_t hash() const { return text_ ? text_->hash : 0; }  // xxh3

  friend bool operator==(const Path& a, const Path& b) {
    return a.text_ == b.text_ || (a.hash() == b.hash() && a.str() == b.str());
  }
  friend std::strong_ordering operator<=>(const Path& a, const Path& b) { return a.str() <=> b.str(); }

 private:
  struct Text {
    std::string chars;
    std::uint64_t hash;
  };
  static inline const std::string empty{};
  std::shared_ptr<const Text> text_;  // null: ""
};

}  // namespace copper
