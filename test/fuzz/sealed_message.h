// A message whose magic, version and checksum are right, whatever the rest is; and what of a message the rest
// is.
#pragma once

#include <xxhash.h>

#include <cstring>
#include <span>
#include <vector>

#include "tree/message.h"

namespace copper {

inline constexpr std::size_t sealed_before = 5;  // magic and version
inline constexpr std::size_t sealed_behind = 8;  // checksum

inline std::vector<std::byte> sealed_message(std::span<const std::byte> rest) {
  std::vector<std::byte> message;
  encode(Ping{}, 0, message);
  message.resize(sealed_before);
  message.insert(message.end(), rest.begin(), rest.end());
  const std::uint64_t checksum = XXH3_64bits(message.data(), message.size());
  const auto* raw = reinterpret_cast<const std::byte*>(&checksum);
  message.insert(message.end(), raw, raw + sealed_behind);
  return message;
}

inline std::span<const std::byte> unsealed(std::span<const std::byte> message) {
  return message.subspan(sealed_before, message.size() - sealed_before - sealed_behind);
}

}  // namespace copper
