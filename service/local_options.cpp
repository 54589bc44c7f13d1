// See local_options.h.
#include "service/local_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <vector>

#include "tree/key.h"

namespace copper {
namespace {

void add(CLI::App& app, const std::string& name, std::vector<std::string>& paths, const std::string& help) {
  app.add_option_function<std::string>(
         name, [&paths](const std::string& path) { paths.push_back(path); }, help)
      ->check([](const std::string& path) {
        if (valid_path(path) && path != "/") return std::string();
        return "'" + path + "' is not an absolute path without ., .. and a slash at its end";
      })
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->trigger_on_parse();
}

}  // namespace

void add_local_options(CLI::App& app, LocalTrees& trees) {
  add(app, "--local", trees.local,
      "A tree that each node has of its own: shown as a link to it; once for each");
  add(app, "--share", trees.share, "A tree that is served although it lies in a local one; once for each");
  app.final_callback([&trees, by_default = trees.local.size()] {
    for (auto path = trees.local.begin() + static_cast<std::ptrdiff_t>(by_default); path != trees.local.end();
         ++path) {
      if (std::ranges::find(trees.share, *path) != trees.share.end()) {
        throw CLI::ValidationError("--local", *path + " is to be shared (--share) too");
      }
    }
  });
}

}  // namespace copper
