// What a profile's figures are called: the order of Profile::counters and Profile::operations, in all files.
#pragma once

#include <string_view>
#include <vector>

#include "tree/key.h"

namespace copper {

struct Column {
  std::string_view layer;  // front_end, rank or storage
  std::string_view name;
};

const std::vector<Column>& counter_columns();    // those of the segment's header, then those of the tree
const std::vector<Column>& operation_columns();  // the kernel's requests, questions to the rank, loads

std::string_view name_of(Kind kind);      // listing, entry, block, filesystem
std::string_view rpc_name_of(Kind kind);  // as the predecessor calls it: rpc_readdir, rpc_lstat, ...

}  // namespace copper
