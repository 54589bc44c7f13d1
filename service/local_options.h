// The options of both programs that say which paths are node-local.
#pragma once

#include "service/storage/source_tree.h"

namespace CLI {
class App;
}

namespace copper {

// --local and --share, each once for each path: absolute, normalised, not "/", not in both.
void add_local_options(CLI::App& app, LocalTrees& trees);

}  // namespace copper
