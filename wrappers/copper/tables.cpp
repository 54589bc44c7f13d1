// See tables.h.
#include "wrappers/copper/tables.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "tree/counters.h"

namespace copper {
namespace {

using json = nlohmann::ordered_json;

std::uint64_t number(const json& object, std::string_view name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<std::uint64_t>() : 0;
}

std::string text(const json& object, std::string_view name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "?";
}

json part(const json& object, std::string_view name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_object() ? *found : json::object();
}

json list(const json& object, std::string_view name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_array() ? *found : json::array();
}

void line(std::string& out, std::string_view name, std::string_view value) {
  fmt::format_to(std::back_inserter(out), "{:<16}{}\n", name, value);
}

// "parent 0, children 9 10 11", of one tree.
std::string place(const json& parents, const json& children, std::size_t tree) {
  std::string out = "the root";
  if (tree < parents.size() && parents[tree].is_number())
    out = fmt::format("parent {}", parents[tree].dump());
  if (tree >= children.size() || children[tree].empty()) return out + ", no children";
  out += ", children";
  for (const auto& child : children[tree]) out += " " + child.dump();
  return out;
}

std::uint64_t loads(const json& counters) {
  return number(counters, "loads_listing") + number(counters, "loads_entry") +
         number(counters, "loads_block") + number(counters, "loads_filesystem");
}

void row(std::string& out, std::string_view name, std::string_view node, std::string_view job) {
  fmt::format_to(std::back_inserter(out), "  {:<34}{:>16}{:>16}\n", name, node, job);
}

struct CounterText {
  std::string_view name;
  std::string_view meaning;
};
constexpr auto counter_texts = std::to_array<CounterText>({
#define COPPER_COUNTER_TEXT(name, meaning) {#name, meaning},
    COPPER_COUNTERS(COPPER_COUNTER_TEXT)
#undef COPPER_COUNTER_TEXT
});

}  // namespace

std::string grouped(std::uint64_t n) {
  auto digits = std::to_string(n);
  for (auto i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array units{"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string duration_text(std::uint64_t seconds) {
  return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::string status_text(const json& status) {
  const auto cache = part(status, "cache");
  const auto parents = list(status, "parent");
  const auto children = list(status, "children");
  const auto bulk_parents = list(status, "bulk_parent");
  const auto bulk_children = list(status, "bulk_children");
  const auto waiting = list(status, "waiting");
  std::string out;
  line(out, "rank",
       fmt::format("{} of {}, on {}", number(status, "rank"), number(status, "ranks"), text(status, "host")));
  line(out, "up", duration_text(number(status, "uptime_s")));
  if (number(status, "restarts") > 0) {
    std::string without;
    for (const auto& host : list(status, "left_out"))
      without += (without.empty() ? ", now without " : ", ") + host.get<std::string>();
    line(out, "started again", fmt::format("{} time(s){}", number(status, "restarts"), without));
  }
  line(out, "mount", status.contains("mounted") && status["mounted"] == true ? "answers" : "does not answer");
  line(out, "trees",
       fmt::format("{}, fan-out {}, of file blocks {}, publish {}", number(status, "trees"),
                   number(status, "fanout"), number(status, "bulk_fanout"), text(status, "publish")));
  for (std::size_t tree = 0; tree < parents.size(); ++tree) {
    line(out, fmt::format("  tree {}", tree), place(parents, children, tree));
    if (tree < bulk_parents.size()) line(out, "    file blocks", place(bulk_parents, bulk_children, tree));
  }
  line(out, "cache",
       fmt::format("{} of {} ({} outcomes, {}; {} committed)", bytes_text(number(cache, "arena_used")),
                   bytes_text(number(cache, "budget")), grouped(number(cache, "outcomes")),
                   bytes_text(number(cache, "store_bytes")), bytes_text(number(cache, "arena_committed"))));
  line(out, "direct",
       fmt::format("files larger than {}, from storage", bytes_text(number(status, "max_cacheable_bytes"))));
  const auto read_ahead = number(status, "read_ahead_kb");
  line(out, "read-ahead",
       read_ahead > 0 ? fmt::format("{} of the kernel", bytes_text(read_ahead * 1024)) : "?");
  const auto slow = part(status, "slow_requests");
  line(out, "slow requests",
       number(slow, "count") == 0
           ? "none"
           : fmt::format("{} for longer than a second, the oldest for {} ms", grouped(number(slow, "count")),
                         grouped(number(slow, "oldest_ms"))));
  line(out, "waiting", waiting.empty() ? "nothing" : "");
  for (const auto& one : waiting) {
    fmt::format_to(std::back_inserter(out), "  {:>8} ms  {:>3} waiting on {:<12} (root {}) {}\n",
                   grouped(number(one, "age_ms")), number(one, "waiters"), text(one, "on"), text(one, "root"),
                   text(one, "key"));
  }
  return out;
}

std::string stats_text(const json& stats) {
  const auto node = part(stats, "node");
  const auto job = part(stats, "job");
  const auto front_end = part(stats, "front_end");
  std::string out;
  const auto both = [&](std::string_view name, std::string_view counter) {
    row(out, name, grouped(number(node, counter)), grouped(number(job, counter)));
  };
  row(out, "", "this node",
      fmt::format("{} of {} ranks", number(stats, "ranks_counted"), number(stats, "ranks")));
  out += "Where questions ended\n";
  row(out, "front end, from what it holds", grouped(number(front_end, "fuse_from_view")), "-");
  row(out, "front end, directly from storage", grouped(number(front_end, "fuse_direct")), "-");
  row(out, "front end, files larger than -M", grouped(number(front_end, "fuse_large_loads")), "-");
  both("the rank's cache", "client_hits");
  both("  of these without asking the rank", "client_found");
  both("joined a question under way", "client_joined");
  both("went to the parent rank", "asks_sent");
  row(out, "went to storage", grouped(loads(node)), grouped(loads(job)));
  row(out, "bytes from storage", bytes_text(number(node, "bytes_loaded")),
      bytes_text(number(job, "bytes_loaded")));
  row(out, "bytes of files larger than -M", bytes_text(number(front_end, "fuse_large_bytes")), "-");
  row(out, "links out of the view", grouped(number(front_end, "fuse_links_out")), "-");
  out += "Ranks\n";
  for (const auto& [name, meaning] : counter_texts) {
    fmt::format_to(std::back_inserter(out), "  {:<34}{:>16}{:>16}  {}\n", name, grouped(number(node, name)),
                   grouped(number(job, name)), meaning);
  }
  out += "Front end\n";
  for (const auto& [name, value] : front_end.items()) row(out, name, grouped(number(front_end, name)), "-");
  return out;
}

}  // namespace copper
