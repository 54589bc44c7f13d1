// Who reads in a run of `mixed`.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tree/node/node.h"

namespace copper::simulation {

// One process on a node: opens a file by its entry or by its directory's listing, and reads its blocks.
struct Reader {
  Rank rank{};
  bool last_look = false;  // after the changes: must see what is
  int opens_left = 0;
  std::size_t tries = 0;
  Instant first_try{};
  bool by_listing = false;
  std::string path{};
  std::optional<Version> gone{};   // what the last try found to be gone
  std::optional<Client> client{};  // while it waits
  Key key{};                       // what it waits for
  Tag have = 0;
  Instant asked{};
  std::map<Key, Tag> seen{};  // bytes it could still have
};

}  // namespace copper::simulation
