// See columns.h.
#include "service/outputs/columns.h"

#include <array>

#include "service/segment/layout.h"
#include "tree/counters.h"

namespace copper {

const std::vector<Column>& counter_columns() {
  static const std::vector<Column> columns{
#define COPPER_COLUMN(name) {"front_end", #name},
      COPPER_FUSE_COUNTERS(COPPER_COLUMN)
#undef COPPER_COLUMN
#define COPPER_COLUMN(name, text) {"rank", #name},
          COPPER_COUNTERS(COPPER_COLUMN)
#undef COPPER_COLUMN
  };
  return columns;
}

const std::vector<Column>& operation_columns() {
  static const std::vector<Column> columns{
#define COPPER_COLUMN(name) {"front_end", #name},
      COPPER_FUSE_OPERATIONS(COPPER_COLUMN)
#undef COPPER_COLUMN
          {"rank", "client_ask_listing"},
      {"rank", "client_ask_entry"},
      {"rank", "client_ask_block"},
      {"rank", "client_ask_filesystem"},
      {"storage", "load_listing"},
      {"storage", "load_entry"},
      {"storage", "load_block"},
      {"storage", "load_filesystem"}};
  return columns;
}

std::string_view name_of(Kind kind) {
  static constexpr std::array<std::string_view, kind_count> names{"listing", "entry", "block", "filesystem"};
  return names.at(index(kind));
}

std::string_view rpc_name_of(Kind kind) {
  static constexpr std::array<std::string_view, kind_count> names{"rpc_readdir", "rpc_lstat", "rpc_readfile",
                                                                  "rpc_statfs"};
  return names.at(index(kind));
}

}  // namespace copper
