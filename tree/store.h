// The outcomes a rank holds and the questions it has under way, bounded by bytes. States are types: an entry is
// Pending or Ready, and a list of waiters exists only while pending. Pending entries are never evicted (each has an
// asker that bounds them); ready ones go least recently used first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "tree/key.h"
#include "tree/outcome.h"
#include "tree/topology.h"

namespace copper {

// A question of this node's front end: an opaque number, chosen by the front end, unique while it waits.
enum class Client : std::uint64_t {};
using Asker = std::variant<Client, Rank>;

struct Waiter {
  Asker asker;
  Tag have = 0;  // the bytes that the asker has already
};

struct Pending {
  std::vector<Waiter> waiters;       // in order of asking; may become empty by cancellation
  std::optional<Outcome> previous;   // stale, kept for "unchanged"
  Instant since{};
};

struct Ready {
  Outcome outcome;
};
