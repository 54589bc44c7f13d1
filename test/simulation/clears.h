// What users have had cleared in a simulated run, by whom they asked, and since when everybody knows.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "tree/key.h"
#include "tree/node/store.h"
#include "tree/outcome.h"
#include "tree/path.h"

namespace copper::simulation {

class Clears {
 public:
  void begin(Client client, Path path, Instant now) {
    clears_.emplace(client, Clear{std::move(path), now, std::nullopt});
  }
  // All have forgotten. Returns what.
  const Path& end(Client client, Instant now) {
    auto& clear = clears_.at(client);
    clear.over = now;
    return clear.path;
  }
  // When the last one began that tells of the key and was over when it was asked: no answer is older than
  // that.
  Instant known_to(const Key& key, Instant asked) const {
    Instant last{};
    for (const auto& [client, clear] : clears_)
      if (clear.over && *clear.over <= asked && tells_of(key, clear.path)) last = std::max(last, clear.begun);
    return last;
  }

 private:
  struct Clear {
    Path path;
    Instant begun{};
    std::optional<Instant> over;
  };
  std::map<Client, Clear> clears_;
};

}  // namespace copper::simulation
