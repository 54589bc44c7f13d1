// See profile_files.h.
#include "service/outputs/profile_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "service/outputs/columns.h"
#include "service/outputs/csv.h"
#include "service/outputs/timing_lines.h"

namespace copper {
namespace {

constexpr std::size_t summary_paths = 20;
constexpr std::size_t lines_max = 64;  // of timing; more are reduced

template <class... Args>
void line(std::string& text, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
}

std::string operations(const Profile& profile) {
  std::string text = "layer,operation,count,errors,bytes,total_us,p50_us,p90_us,p99_us,max_us";
  for (std::size_t b = 0; b < Latencies::bounded; ++b) line(text, ",le_{}", Latencies::bound_of(b));
  text += ",more\r\n";
  const auto& columns = operation_columns();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto& taken = profile.operations.at(i);
    line(text, "{},{},{},{},{},{},{},{},{},{}", columns[i].layer, columns[i].name, taken.count(),
         taken.errors, taken.bytes, taken.total_us, taken.percentile(50), taken.percentile(90),
         taken.percentile(99), taken.max_us);
    for (const auto n : taken.took) line(text, ",{}", n);
    text += "\r\n";
  }
  return text;
}

std::string aggregate(const ProfileSheet& sheet) {
  std::string text = "layer,counter,sum,ranks,min,max,max_host\r\n";
  const auto& columns = counter_columns();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto& spread = sheet.profile.counters.at(i);
    line(text, "{},{},{},{},{},{},{}\r\n", columns[i].layer, columns[i].name, spread.sum, spread.ranks,
         spread.min, spread.max, csv_field(sheet.names.at(number(spread.max_rank))));
  }
  // Not counters of anybody's, but how far the paths' file and all of these can be trusted.
  line(text, "profile,paths_left_out,{0},{1},0,{0},\r\n", sheet.profile.left_out(), sheet.ranks_counted);
  line(text, "profile,portions_lost,{0},{1},0,{0},\r\n", sheet.profile.portions_lost, sheet.ranks_counted);
  return text;
}

std::vector<CountedPath> shown_paths(const ProfileSheet& sheet) {
  auto paths = sheet.profile.paths();
  if (sheet.top_n > 0 && paths.size() > sheet.top_n) paths.resize(sheet.top_n);
  return paths;
}

std::string top_paths(const std::vector<CountedPath>& paths) {
  std::string text = "path,kind,asks,hits,loads,bytes,absent\r\n";
  for (const auto& [asked, count] : paths)
    line(text, "{},{},{},{},{},{},{}\r\n", csv_field(asked.path), name_of(asked.kind), count.asks, count.hits,
         count.loads, count.bytes, count.absent);
  return text;
}

std::string timeline(const Activities& activities) {
  std::string text = "second,storage_reads,storage_bytes,front_end_operations,client_asks,client_hits\r\n";
  for (std::size_t i = 0; i < activities.rows().size(); ++i) {
    const auto& row = activities.rows()[i];
    line(text, "{},{},{},{},{},{}\r\n", i * activities.width(), row.storage_reads, row.storage_bytes,
         row.front_end_operations, row.client_asks, row.client_hits);
  }
  return text;
}

std::string ranks(const ProfileSheet& sheet) {
  std::string text =
      "rank,host,depth,messages_sent,bytes_sent,bytes_received,storage_reads,cache_bytes,cache_budget\r\n";
  for (const auto& load : sheet.profile.loads) {
    const auto rank = number(load.rank);
    line(text, "{},{},{},{},{},{},{},{},{}\r\n", rank, csv_field(sheet.names.at(rank)), sheet.depths.at(rank),
         load.messages_sent, load.bytes_sent, load.bytes_received, load.storage_reads, load.cache_bytes,
         load.cache_budget);
  }
  return text;
}

// What a cell of a Markdown table may hold.
std::string cell(std::string_view bytes) {
  std::string text;
  for (const char c : as_utf8(bytes)) {
    if (c == '|') text += '\\';
    text += c == '\n' || c == '\r' ? ' ' : c;
  }
  return text;
}

std::string summary(const ProfileSheet& sheet, const std::vector<CountedPath>& paths) {
  const auto& profile = sheet.profile;
  std::map<std::string_view, std::uint64_t> count;
  for (std::size_t i = 0; i < counter_columns().size(); ++i)
    count[counter_columns()[i].name] = profile.counters.at(i).sum;
  Activity all;
  for (const auto& row : profile.timeline.rows()) all.add(row);

  std::string text;
  line(text, "# Copper: profile of {}\n\n", as_utf8(sheet.title));
  if (sheet.ranks_counted < sheet.ranks)
    line(text, "**Only {} of {} ranks answered; the figures are theirs.**\n\n", sheet.ranks_counted,
         sheet.ranks);
  if (profile.portions_lost > 0)
    line(text, "**{} messages with figures were lost: some sums are too low.**\n\n", profile.portions_lost);
  line(text, "## What was asked, and who answered\n\n| | |\n|---|---:|\n");
  line(text, "| requests of the kernel | {} |\n", all.front_end_operations);
  line(text, "| answered by what the front end held | {} |\n", count["fuse_from_view"]);
  line(text, "| questions to the rank | {} |\n", count["client_asks"]);
  line(text, "| of them answered from its cache | {} |\n", count["client_hits"]);
  line(text, "| of them joined to a question on its way | {} |\n", count["client_joined"]);
  line(text, "| questions to parent ranks | {} |\n", count["asks_sent"]);
  line(text, "| questions to storage | {} |\n", all.storage_reads);
  line(text, "| bytes from storage | {} |\n", all.storage_bytes);
  line(text, "| bytes between ranks | {} |\n", count["bytes_sent"]);
  line(text, "| bytes to the kernel | {} |\n", count["fuse_bytes"]);

  text += "\n## How long it took, microseconds\n\n";
  text +=
      "| layer | operation | count | errors | p50 | p90 | p99 | max "
      "|\n|---|---|---:|---:|---:|---:|---:|---:|\n";
  for (std::size_t i = 0; i < operation_columns().size(); ++i) {
    const auto& taken = profile.operations.at(i);
    if (taken.count() == 0) continue;
    line(text, "| {} | {} | {} | {} | {} | {} | {} | {} |\n", operation_columns()[i].layer,
         operation_columns()[i].name, taken.count(), taken.errors, taken.percentile(50), taken.percentile(90),
         taken.percentile(99), taken.max_us);
  }

  text += "\n## Start\n\n";
  const bool reduced = profile.timings.size() > lines_max;
  for (const bool first : {false, true})
    for (const auto& each : timing_lines(profile.timings, sheet.names, first, reduced))
      line(text, "- {}\n", as_utf8(each));

  text += "\n## Most asked for\n\n";
  if (profile.left_out() > 0)
    line(text,
         "There were more paths than are counted: {} gave way to others, and counts may be too low.\n\n",
         profile.left_out());
  text += "| path | kind | asks | hits | loads | bytes | absent |\n|---|---|---:|---:|---:|---:|---:|\n";
  for (std::size_t i = 0; i < std::min(paths.size(), summary_paths); ++i) {
    const auto& [asked, n] = paths[i];
    line(text, "| {} | {} | {} | {} | {} | {} | {} |\n", cell(asked.path), name_of(asked.kind), n.asks,
         n.hits, n.loads, n.bytes, n.absent);
  }
  return text;
}

}  // namespace

OutputFiles profile_files(const ProfileSheet& sheet, const std::filesystem::path& directory) {
  const auto paths = shown_paths(sheet);
  OutputFiles files{{directory / "profiling_operations.csv", operations(sheet.profile)},
                    {directory / "profiling_aggregate.csv", aggregate(sheet)},
                    {directory / "profiling_top_paths.csv", top_paths(paths)},
                    {directory / "profiling_timeline.csv", timeline(sheet.profile.timeline)}};
  files.push_back({directory / "profiling_ranks.csv", ranks(sheet)});
  files.push_back({directory / "profiling_summary.md", summary(sheet, paths)});
  return files;
}

}  // namespace copper
