// See options.h.
#include "fuse_frontend/options.h"

#include <CLI/CLI.hpp>

#include "service/local_options.h"

namespace copper {

FrontEndOptions parse_options(int argc, char** argv) {
  FrontEndOptions options;
  auto ready_s = options.ready_patience.count();
  CLI::App app("Serves a node's mount from the cache of its copper_service.", "copper_fuse");
  app.add_option("--run-dir", options.run_dir, "Directory of the node's segment, in shared memory")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--node", options.node, "Number of the node on this machine")
      ->required()
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--log-name", options.log_name,
                 "The node's name in the name of its log (default: node<number>)");
  app.add_option("--mount", options.mount, "Directory to mount on")->required();
  app.add_option("--record", options.record, "Write what the mount is asked to this file, as a trace");
  app.add_flag("--map-links", options.map_links,
               "Links with absolute targets lead on below the mount, but for those to local trees");
  app.add_option("--ready-seconds", ready_s, "How long the node's rank may take to come up")
      ->check(CLI::Range(1, 4000))
      ->capture_default_str();
  app.add_option("--direct-per-second", options.direct_per_second,
                 "Operations of storage that all nodes ask for together in a second while no rank answers")
      ->check(CLI::Range(1.0, 1e9))
      ->capture_default_str();
  add_local_options(app, options.local);
  add_process_options(app, options.process);
  parse_or_exit(app, argc, argv);
  options.ready_patience = std::chrono::seconds{ready_s};
  if (options.log_name.empty()) options.log_name = "node" + std::to_string(options.node);
  for (auto* path : {&options.run_dir, &options.mount, &options.record, &options.process.log_dir}) {
    if (!path->empty()) *path = std::filesystem::absolute(*path);
  }
  const auto below = options.record.lexically_normal().lexically_relative(options.mount.lexically_normal());
  if (!options.record.empty() && *below.begin() != "..") {
    refuse_option("copper_fuse", "--record: " + options.record.string() + " is under the mount");
  }
  return options;
}

}  // namespace copper
