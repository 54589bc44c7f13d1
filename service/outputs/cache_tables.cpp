// See cache_tables.h.
#include "service/outputs/cache_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "service/outputs/columns.h"
#include "service/outputs/csv.h"

namespace copper {
namespace {

constexpr std::array tables{Kind::listing, Kind::entry, Kind::block};

std::string version_of(const CachedRow& row) {
  if (row.tag == 0) return "absent";
  if (row.key.kind != Kind::block) return fmt::format("{:016x}", row.tag);
  const auto& version = row.key.version;
  return fmt::format("{}:{}:{}:{}", version.inode, version.size, version.mtime_ns, version.ctime_ns);
}

}  // namespace

std::vector<CachedRow> cached_rows(const Node& node, Instant started, Instant now) {
  std::vector<CachedRow> rows;
  rows.reserve(node.store().outcomes());
  node.store().each_ready([&](const Key& key, const Ready& ready) {
    const auto& outcome = ready.outcome;
    rows.push_back({key, outcome.value.ok() ? outcome.value->size() : 0, ready.hits,
                    now - std::max(ready.since, started), outcome.tag});
  });
  return rows;
}

OutputFiles cache_tables(const std::vector<CachedRow>& rows, const std::filesystem::path& directory) {
  OutputFiles files;
  for (const auto kind : tables) {
    std::string text = "path,block,bytes,hits,age_s,version\r\n";
    for (const auto& row : rows) {
      if (row.key.kind != kind) continue;
      fmt::format_to(std::back_inserter(text), "{},{},{},{},{},{}\r\n", csv_field(row.key.path),
                     row.key.block, row.bytes, row.hits, row.age / std::chrono::seconds{1}, version_of(row));
    }
    files.push_back({directory / fmt::format("{}.csv", name_of(kind)), std::move(text)});
  }
  return files;
}

}  // namespace copper
