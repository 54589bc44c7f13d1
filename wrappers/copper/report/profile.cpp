// See profile.h.
#include "wrappers/copper/report/profile.h"

#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "wrappers/copper/refused.h"
#include "wrappers/copper/report/csv.h"

namespace copper {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> read_text(const fs::path& path) {
  if (!fs::is_regular_file(path)) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw Refused(path.string() + ": cannot be read");
  return text;
}

CsvTable read_table(const fs::path& cluster, const char* name, std::vector<std::string> columns,
                    std::size_t rows_max = SIZE_MAX) {
  const auto path = cluster / name;
  const auto text = read_text(path);
  if (!text) {
    throw Refused(fmt::format("{} is not there: launch with -P, or run aggregate_profiling.py {}",
                              path.string(), cluster.parent_path().parent_path().string()));
  }
  return CsvTable(path.string(), *text, std::move(columns), rows_max);
}

std::vector<std::string> operation_columns() {
  std::vector<std::string> columns{"layer", "operation", "count", "errors", "p50_us", "p99_us", "max_us"};
  for (std::size_t i = 0; i + 1 < latency_buckets; ++i) columns.push_back(fmt::format("le_{}", 1u << i));
  columns.push_back("more");
  return columns;
}

std::vector<OperationFigures> read_operations(const fs::path& cluster) {
  const auto table = read_table(cluster, "profiling_operations.csv", operation_columns());
  std::vector<OperationFigures> operations;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    OperationFigures one{table.text(i, 0),   table.text(i, 1),   table.number(i, 2), table.number(i, 3),
                         table.number(i, 4), table.number(i, 5), table.number(i, 6), {}};
    for (std::size_t bucket = 0; bucket < latency_buckets; ++bucket)
      one.buckets.push_back(table.number(i, 7 + bucket));
    operations.push_back(std::move(one));
  }
  return operations;
}

std::vector<CounterFigures> read_counters(const fs::path& cluster) {
  const auto table = read_table(cluster, "profiling_aggregate.csv", {"layer", "counter", "sum", "ranks"});
  std::vector<CounterFigures> counters;
  for (std::size_t i = 0; i < table.rows(); ++i)
    counters.push_back({table.text(i, 0), table.text(i, 1), table.number(i, 2), table.number(i, 3)});
  return counters;
}

std::vector<PathFigures> read_paths(const fs::path& cluster) {
  const auto table = read_table(cluster, "profiling_top_paths.csv",
                                {"path", "kind", "asks", "hits", "loads", "bytes", "absent"}, paths_shown);
  std::vector<PathFigures> paths;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    paths.push_back({table.text(i, 0), table.text(i, 1), table.number(i, 2), table.number(i, 3),
                     table.number(i, 4), table.number(i, 5), table.number(i, 6)});
  }
  return paths;
}

std::vector<SecondFigures> read_timeline(const fs::path& cluster) {
  const auto table =
      read_table(cluster, "profiling_timeline.csv", {"second", "storage_reads", "front_end_operations"});
  std::vector<SecondFigures> timeline;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    timeline.push_back({table.number(i, 0), table.number(i, 1), table.number(i, 2)});
    if (i > 0 && timeline[i].second <= timeline[i - 1].second)
      throw Refused((cluster / "profiling_timeline.csv").string() + ": its seconds do not rise");
  }
  return timeline;
}

std::vector<RankFigures> read_ranks(const fs::path& cluster) {
  const auto table = read_table(cluster, "profiling_ranks.csv",
                                {"rank", "host", "depth", "messages_sent", "bytes_sent", "bytes_received",
                                 "storage_reads", "cache_bytes", "cache_budget"});
  std::vector<RankFigures> ranks;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    ranks.push_back({table.number(i, 0), table.text(i, 1), table.number(i, 2), table.number(i, 3),
                     table.number(i, 4), table.number(i, 5), table.number(i, 6), table.number(i, 7),
                     table.number(i, 8)});
  }
  std::sort(ranks.begin(), ranks.end(), [](const auto& a, const auto& b) { return a.rank < b.rank; });
  return ranks;
}

// The launcher's files: where they are not, or not as they should be, the report does without them.
std::vector<std::pair<std::string, std::string>> read_options(const fs::path& logs) {
  std::vector<std::pair<std::string, std::string>> options;
  const auto json =
      nlohmann::ordered_json::parse(read_text(logs / "options.json").value_or(""), nullptr, false);
  if (!json.is_object()) return options;
  for (const auto& [name, value] : json.items()) {
    options.emplace_back(name,
                         value.is_string()
                             ? value.get<std::string>()
                             : value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  }
  return options;
}

std::vector<std::string> read_hosts(const fs::path& logs) {
  std::vector<std::string> hosts;
  std::set<std::string> seen;
  std::istringstream lines(read_text(logs / "node_file.txt").value_or(""));
  for (std::string host; lines >> host;)
    if (seen.insert(host).second) hosts.push_back(host);
  return hosts;
}

}  // namespace

std::uint64_t Profile::counter(std::string_view name) const {
  for (const auto& one : counters)
    if (one.counter == name) return one.sum;
  return 0;
}

std::uint64_t Profile::root_loads() const {
  const auto loads = counter("loads_listing") + counter("loads_entry") + counter("loads_block") +
                     counter("loads_filesystem");
  return loads - std::min(loads, counter("loads_known"));  // some need no look at storage
}

std::uint64_t Profile::storage_questions() const {
  return root_loads() + counter("fuse_direct") + counter("fuse_large_loads");
}

std::uint64_t Profile::nodes() const {
  std::uint64_t most = ranks.size();
  for (const auto& one : counters) most = std::max(most, one.ranks);
  return most;
}

Profile read_profile(const fs::path& job_directory) {
  if (!fs::is_directory(job_directory)) throw Refused(job_directory.string() + ": no such directory");
  const auto directory = fs::canonical(job_directory);
  const auto cluster = directory / "profiling" / "cluster";
  Profile profile;
  profile.job = directory.filename().string();
  profile.operations = read_operations(cluster);
  profile.counters = read_counters(cluster);
  profile.paths = read_paths(cluster);
  profile.timeline = read_timeline(cluster);
  profile.ranks = read_ranks(cluster);
  profile.options = read_options(directory / "logs");
  profile.hosts = read_hosts(directory / "logs");
  return profile;
}

}  // namespace copper
