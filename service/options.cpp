// See options.h.
#include "service/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <map>
#include <optional>

#include "service/local_options.h"
#include "service/outputs/discovery.h"
#include "service/process.h"
#include "service/segment/layout.h"
#include "tree/limits.h"

namespace copper {
namespace {

// The kernel resolves links on the way to a mount, so a mount is known by its resolved path; the last
// component is not looked at, since it may be a mount whose server is gone.
std::string resolved(const std::string& mount) {
  const auto path = std::filesystem::absolute(mount).lexically_normal();
  const auto stem = path.has_filename() ? path : path.parent_path();
  std::error_code unresolvable;
  const auto parent = std::filesystem::weakly_canonical(stem.parent_path(), unresolvable);
  return ((unresolvable ? stem.parent_path() : parent) / stem.filename()).string();
}

// The least limit on the way from this process's cgroup to the root; version 2, else version 1.
std::uint64_t cgroup_memory_limit() {
  std::uint64_t least = UINT64_MAX;
  std::ifstream memberships("/proc/self/cgroup");
  for (std::string line; std::getline(memberships, line);) {
    const auto colon = line.find(':');
    const auto second = line.find(':', colon + 1);
    if (second == std::string::npos) continue;
    const auto controllers = line.substr(colon + 1, second - colon - 1);
    if (!controllers.empty() && controllers != "memory") continue;
    const std::string top = controllers.empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const std::string file = controllers.empty() ? "memory.max" : "memory.limit_in_bytes";
    for (std::filesystem::path path = line.substr(second + 1);; path = path.parent_path()) {
      std::uint64_t bytes = 0;  // "max" is no number: no limit
      if (std::ifstream(top + path.string() + "/" + file) >> bytes) least = std::min(least, bytes);
      if (!path.has_relative_path()) break;
    }
  }
  return least;
}

void add_address_options(CLI::App& app, AddressOptions& addresses) {
  static const std::map<std::string, AddressMode> modes{{"facility", AddressMode::facility},
                                                        {"discover", AddressMode::discover}};
  app.add_option("-a,--address-mode", addresses.mode,
                 "Where the address book comes from: facility (where one is given) or discover")
      ->transform(CLI::CheckedTransformer(modes))
      ->default_str("facility");
  app.add_option("-F,--facility-address-book", addresses.book,
                 "File with lines `host endpoint [group]`; hosts of a group are neighbours in the trees");
  app.add_option("-n,--net-type", addresses.net_type, "cxi, cxi0, cxi://cxi0, an interface, or auto")
      ->check([](const std::string& text) {
        return valid_net_type(text) ? std::string() : "'" + text + "' names no network";
      })
      ->capture_default_str();
}

void add_output_options(CLI::App& app, OutputOptions& outputs) {
  app.add_option("--job-dir", outputs.job_dir, "The job's directory: logs, tables, profiling");
  app.add_option("--node-log-dir", outputs.node_log_dir,
                 "Directory on the node for the logs of ranks that do not write into the job's");
  app.add_flag("--per-rank-output", outputs.per_rank,
               "Each rank writes files into the job's directory, also where there are more than 64");
  app.add_flag("-P,--aggregate-profiling", outputs.aggregate,
               "Sum profiles over all ranks: profiling/cluster");
  app.add_option("-N,--top-n", outputs.top_n, "Rows of profiling_top_paths.csv")
      ->check(CLI::Range(1u, 1'000'000u))
      ->capture_default_str();
  app.add_flag("-A,--full-path-profiling", outputs.full_paths,
               "Every path that was asked for, not only the top");
  app.add_option_function<std::uint32_t>(
         "-I,--snapshot-seconds", [&outputs](std::uint32_t s) { outputs.snapshot = std::chrono::seconds{s}; },
         "Write tables and profiles so often as well; 0: only at the end")
      ->check(CLI::Range(0, 86'400));
}

}  // namespace

std::vector<std::string> ServiceOptions::mounts() const {
  if (nodes <= 1) return {mount};
  std::vector<std::string> all;
  for (std::uint32_t node = 0; node < nodes; ++node) all.push_back(mount + "/node" + std::to_string(node));
  return all;
}

ServiceOptions parse_options(int argc, char** argv) {
  ServiceOptions options;
  std::uint32_t freshness_ms = 2000;
  std::uint32_t ready_s = 30;
  std::optional<std::uint64_t> max_cacheable;
  CLI::App app("One rank of Copper's companion job: the node's cache and its place in the trees.",
               "copper_service");
  app.add_flag("--mpi", options.print_mpi, "Print which MPI this is linked to (mpich or openmpi) and exit");
  app.add_option("--run-dir", options.run_dir, "Directory of the node's segment, in shared memory")
      ->check(CLI::ExistingDirectory);
  app.add_option("--nodes", options.nodes, "So many nodes on this one machine; rank i is node i")
      ->check(CLI::Range(1, 4096));
  app.add_option("--mount", options.mount, "The mount that front ends serve");
  app.add_option("-E,--md-enoent-ttl-ms", freshness_ms, "Freshness of directories and absent names, ms")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{limits::freshness_max.count()}))
      ->capture_default_str();
  app.add_option("-T,--trees", options.trees, "Trees; each directory belongs to one")
      ->check(CLI::Range(1u, limits::trees_max))
      ->capture_default_str();
  app.add_option("--fanout", options.fanouts.control, "Children of a rank: questions, answers, publications")
      ->check(CLI::Range(1u, limits::fanout_max))
      ->capture_default_str();
  app.add_option("--bulk-fanout", options.fanouts.bulk, "Children of a rank: blocks of files")
      ->check(CLI::Range(1u, limits::fanout_max))
      ->capture_default_str();
  app.add_option("--publish", options.publish,
                 "What goes to all nodes unasked: all, asked (nothing) or auto (what is shared)")
      ->transform(CLI::CheckedTransformer(publish_policies()))
      ->default_str("auto");
  app.add_option("--cache-bytes", options.cache_bytes, "Memory for cached data on this node")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::uint64_t{16} << 20, std::uint64_t{1} << 44));
  app.add_option("-M,--max-cacheable-byte-size", max_cacheable,
                 "Larger files are read directly by each node (default: those larger than the cache)")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 60));
  app.add_option("--lanes", options.lanes, "Threads of the front end")
      ->check(CLI::Range(1u, segment::lanes_max))
      ->capture_default_str();
  app.add_option("--ready-seconds", ready_s, "How long all mounts may take to answer")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  app.add_option("--restarts", options.restarts.count,
                 "The service was started so often before (by its keeper)");
  app.add_option("--left-out", options.restarts.left_out,
                 "Hosts of the run that take no part, since they are gone")
      ->delimiter(',');
  add_address_options(app, options.addresses);
  add_output_options(app, options.outputs);
  add_local_options(app, options.local);
  add_process_options(app, options.process);
  parse_or_exit(app, argc, argv);
  auto& outputs = options.outputs;
  if (options.process.log_dir.empty() && !outputs.job_dir.empty())
    options.process.log_dir = outputs.job_dir / "logs";
  for (auto* path :
       {&options.process.log_dir, &options.addresses.book, &outputs.job_dir, &outputs.node_log_dir})
    if (!path->empty()) *path = std::filesystem::absolute(*path);
  options.freshness = std::chrono::milliseconds{freshness_ms};
  options.ready_patience = std::chrono::seconds{ready_s};
  if (options.print_mpi) return options;
  if (options.run_dir.empty() || options.mount.empty()) {
    refuse_option("copper_service", "--run-dir and --mount are required");
  }
  if (options.addresses.mode == AddressMode::discover && !options.addresses.book.empty())
    refuse_option("copper_service", "--address-mode discover has no use for a --facility-address-book");
  options.mount = resolved(options.mount);
  options.run_dir = std::filesystem::absolute(options.run_dir);
  if (options.cache_bytes == 0) options.cache_bytes = default_cache_bytes(std::max(options.nodes, 1u));
  options.max_cacheable_bytes = max_cacheable.value_or(options.cache_bytes);
  return options;
}

std::uint64_t default_cache_bytes(std::uint32_t nodes_here) {
  const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
  const auto memory = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto bytes = std::min({std::uint64_t{4} << 30, memory / 16, cgroup_memory_limit() / 4}) / nodes_here;
  return std::max(bytes, std::uint64_t{16} << 20);
}

}  // namespace copper
