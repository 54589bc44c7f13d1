// See report.h.
#include "service/report.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace copper {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t waiting_shown = 50;
constexpr std::uint32_t slow_ms = 1000;

ordered_json as_json(const Counters& counters) {
  ordered_json json;
  for (std::size_t i = 0; i < counter_count; ++i) {
    json[std::string(name(static_cast<Counter>(i)))] = counters.values()[i];
  }
  return json;
}

ordered_json as_json(const decltype(segment::Header::fuse_counters)& counters) {
  static constexpr std::array<const char*, segment::fuse_counter_count> names{
#define COPPER_FUSE_COUNTER_TEXT(name) #name,
      COPPER_FUSE_COUNTERS(COPPER_FUSE_COUNTER_TEXT)
#undef COPPER_FUSE_COUNTER_TEXT
  };
  ordered_json json;
  for (std::size_t i = 0; i < names.size(); ++i) json[names[i]] = counters[i].load(std::memory_order_relaxed);
  return json;
}

// The kernel's requests that wait long, whoever it is that the front end waits for.
ordered_json slow_requests(const Segment& segment, Instant now) {
  const auto now_ms = static_cast<std::uint32_t>(now.time_since_epoch() / std::chrono::milliseconds{1});
  std::uint32_t count = 0;
  std::uint32_t oldest_ms = 0;
  for (const auto& slot : segment.slots()) {
    if (slot.state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(segment::SlotState::taken))
      continue;
    const std::uint32_t age_ms = now_ms - slot.read_ms.load(std::memory_order_relaxed);
    if (age_ms < slow_ms || age_ms > INT32_MAX) continue;  // read since `now`
    ++count;
    oldest_ms = std::max(oldest_ms, age_ms);
  }
  return {{"count", count}, {"oldest_ms", oldest_ms}};
}

}  // namespace

Report::Report(const Segment& segment, const Arena& arena, std::vector<std::string> names, Restarts restarts,
               Instant started)
    : segment_(segment),
      arena_(arena),
      names_(std::move(names)),
      restarts_(std::move(restarts)),
      started_(started) {}

std::string Report::operator()(const Subject& subject, const Engine& engine, Instant now) const {
  if (const auto* census = std::get_if<Census>(&subject)) return stats(engine, *census);
  if (const auto* clear = std::get_if<Clearance>(&subject)) return clearance(*clear);
  return status(engine, now);
}

std::string Report::clearance(const Clearance& clearance) const {
  ordered_json json{{"cleared", !clearance.missing}, {"ranks", clearance.ranks}};
  if (clearance.missing) json["waiting_for"] = names_.at(number(*clearance.missing));
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string Report::status(const Engine& engine, Instant now) const {
  const auto& node = engine.node();
  const auto& topology = node.topology();
  ordered_json json{{"rank", number(node.self())},
                    {"ranks", topology.ranks()},
                    {"host", names_.at(number(node.self()))},
                    {"trees", topology.trees()},
                    {"fanout", topology.fanout(Shape::control)},
                    {"bulk_fanout", topology.fanout(Shape::bulk)},
                    {"publish", name_of(node.publish_policy())},
                    {"parent", ordered_json::array()},
                    {"children", ordered_json::array()},
                    {"bulk_parent", ordered_json::array()},
                    {"bulk_children", ordered_json::array()}};
  for (std::uint32_t t = 0; t < topology.trees(); ++t) {
    for (const auto& [shape, prefix] : {std::pair{Shape::control, ""}, std::pair{Shape::bulk, "bulk_"}}) {
      const auto parent = topology.parent(node.self(), Tree{t}, shape);
      json[std::string(prefix) + "parent"].push_back(parent ? ordered_json(number(*parent))
                                                            : ordered_json(nullptr));
      auto children = ordered_json::array();
      for (const auto child : topology.children(node.self(), Tree{t}, shape))
        children.push_back(number(child));
      json[std::string(prefix) + "children"].push_back(std::move(children));
    }
  }
  json["uptime_s"] = std::chrono::duration_cast<std::chrono::seconds>(now - started_).count();
  json["restarts"] = restarts_.count;
  json["left_out"] = restarts_.left_out;
  json["cache"] = ordered_json{{"store_bytes", node.store().bytes()},
                               {"outcomes", node.store().outcomes()},
                               {"arena_used", arena_.used()},
                               {"arena_committed", arena_.committed()},
                               {"budget", arena_.budget()}};
  json["max_cacheable_bytes"] = segment_.header().max_cacheable_bytes.load();
  json["read_ahead_kb"] = segment_.header().read_ahead_kb.load();
  json["slow_requests"] = slow_requests(segment_, now);
  json["waiting"] = ordered_json::array();
  for (const auto& waiting : node.waiting(now, waiting_shown)) {
    json["waiting"].push_back(
        {{"key", describe(waiting.key)},
         {"age_ms", std::chrono::duration_cast<std::chrono::milliseconds>(waiting.age).count()},
         {"waiters", waiting.waiters},
         {"on", waiting.in_line ? "room in the cache"
                : waiting.on    ? names_.at(number(*waiting.on))
                                : "storage"},
         {"root", names_.at(number(topology.root(topology.tree_of(waiting.key))))}});
  }
  json["mounted"] =
      segment_.header().mount_state.load() == static_cast<std::uint32_t>(segment::MountState::mounted);
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string Report::stats(const Engine& engine, const Census& census) const {
  const ordered_json json{{"node", as_json(engine.node().counters())},
                          {"front_end", as_json(segment_.header().fuse_counters)},
                          {"job", as_json(census.counters)},
                          {"ranks_counted", census.ranks},
                          {"ranks", engine.node().topology().ranks()}};
  return json.dump();
}

}  // namespace copper
