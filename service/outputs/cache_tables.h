// What a rank's cache holds, as tables: listing.csv, entry.csv and block.csv with the columns
// path,block,bytes,hits,age_s,version. Of a block the version is the file's: inode:size:mtime_ns:ctime_ns; of
// the others it is the tag of their bytes; "absent" stands for a name that is not there.
#pragma once

#include <filesystem>
#include <vector>

#include "service/outputs/file_writer.h"
#include "tree/key.h"
#include "tree/node/node.h"
#include "tree/outcome.h"

namespace copper {

struct CachedRow {
  Key key;
  std::size_t bytes = 0;
  std::uint64_t hits = 0;  // questions that it answered, of the node and of children
  Duration age{};          // since it was answered
  Tag tag = 0;             // 0: absent
};

// On the rank's thread; the files may be made on any.
std::vector<CachedRow> cached_rows(const Node& node, Instant now);
OutputFiles cache_tables(const std::vector<CachedRow>& rows, const std::filesystem::path& directory);

}  // namespace copper
