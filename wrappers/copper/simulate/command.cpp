#include "wrappers/copper/simulate/command.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>

#include "tree/limits.h"
#include "tree/simulation/failure.h"
#include "tree/simulation/replay/bounds.h"
#include "tree/simulation/replay/direct.h"
#include "tree/simulation/replay/peer.h"
#include "tree/simulation/replay/without_ranks.h"
#include "tree/trace.h"
#include "wrappers/copper/simulate/comparison.h"

namespace copper {
namespace {

using namespace simulation;

// On stderr, from the fifth second of a run on.
class ProgressLine {
 public:
  explicit ProgressLine(std::string what) : what_(std::move(what)) {}

  void operator()(double share) {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::seconds{5};
    std::cerr << fmt::format("copper: simulating {}: {:.0f} %\n", what_, 100 * share);
  }

 private:
  std::string what_;
  std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + std::chrono::seconds{5};
};

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  try {
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (file) return text;
  } catch (const std::ios_base::failure&) {  // a directory, for one
  }
  throw Refused(path + ": cannot be read");
}

Trace read_trace(const std::string& path) {
  auto parsed = parse_trace(read_text(path));
  if (const auto* wrong = std::get_if<std::string>(&parsed)) throw Refused(path + ": " + *wrong);
  auto& trace = std::get<Trace>(parsed);
  if (trace.requests.empty()) throw Refused(path + ": no request in it");
  return std::move(trace);
}

template <class Profile>
Profile profile_of(std::variant<Profile, std::string> parsed, const char* option) {
  if (const auto* wrong = std::get_if<std::string>(&parsed))
    throw Refused(std::string(option) + ": " + *wrong);
  return std::get<Profile>(std::move(parsed));
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

ComparisonRow compare(const Workload& workload, const MachineProfile& machine, const SimulateOptions& options,
                      std::uint32_t nodes) {
  const Job job{nodes, options.processes, std::chrono::milliseconds{options.skew_ms}, options.seed};
  const auto named = [&](const char* system) {
    return ProgressLine(fmt::format("{}, {} nodes", system, nodes));
  };
  ComparisonRow row;
  row.nodes = nodes;
  if (options.dead_ranks) {
    row.dead_ranks = without_ranks(workload, machine, job, named("dead ranks"));
    return row;
  }
  row.direct = direct(workload, machine, job, named("direct"));
  row.peer_first = peer(workload, machine, {}, job, Run::first);
  row.peer_second = peer(workload, machine, {}, job, Run::second);
  row.copper = replay(workload, machine, options.service, job, named("copper"));
  row.lower_bound = lower_bound(workload, machine, nodes);
  row.two_tree = two_tree(workload, machine, nodes);
  return row;
}

}  // namespace

CLI::App* add_simulate(CLI::App& app, SimulateOptions& options) {
  auto* verb = app.add_subcommand("simulate", "How a recorded start of a program would do on many nodes");
  verb->add_option("--trace", options.trace, "What a program asked of a cold mount, as recorded")->required();
  verb->add_option("--nodes", options.nodes, "Numbers of nodes, separated by commas")
      ->delimiter(',')
      ->check(CLI::Range(1u, 100'000u))
      ->capture_default_str();
  verb->add_option("--processes", options.processes, "Processes on each node")
      ->check(CLI::Range(1u, 1024u))
      ->capture_default_str();
  verb->add_option("--skew", options.skew_ms, "Milliseconds within which the processes start")
      ->check(CLI::Range(0u, 3'600'000u))
      ->capture_default_str();
  verb->add_option("--fanout", options.service.fanouts.control,
                   "Children of a rank: of questions and answers")
      ->check(CLI::Range(1u, limits::fanout_max))
      ->capture_default_str();
  verb->add_option("--bulk-fanout", options.service.fanouts.bulk,
                   "Children of a rank: of published file blocks")
      ->check(CLI::Range(1u, limits::fanout_max))
      ->capture_default_str();
  verb->add_option("--publish", options.service.publish,
                   "What is told all ranks before they ask: all, asked, auto")
      ->transform(CLI::CheckedTransformer(publish_policies()))
      ->default_str("auto");
  verb->add_option("--trees", options.service.trees, "Trees")
      ->check(CLI::Range(1u, limits::trees_max))
      ->capture_default_str();
  verb->add_option("--storage", options.storage,
                   "NAME or NAME,key=value,...; NAME one of " + joined(storage_names()))
      ->capture_default_str();
  verb->add_option("--network", options.network,
                   "NAME or NAME,key=value,...; NAME one of " + joined(network_names()))
      ->capture_default_str();
  verb->add_option("--seed", options.seed, "Decides all that is random")->capture_default_str();
  verb->add_flag("--json", options.json, "The same as JSON, for programs");
  verb->add_option("--plot", options.plot, "Also writes a picture to this file, as SVG");
  verb->add_flag("--dead-ranks", options.dead_ranks,
                 "Instead: Copper when every rank is dead and its front ends read storage at their pace")
      ->excludes("--plot");
  return verb;
}

int simulate(const SimulateOptions& options) {
  MachineProfile machine;
  machine.network = profile_of(network_profile(options.network), "--network");
  machine.storage = profile_of(storage_profile(options.storage), "--storage");
  machine.node = node_profile();
  const Workload workload(read_trace(options.trace));
  // Opened first, so that a long simulation is not for nothing.
  std::ofstream plot;
  if (!options.plot.empty()) {
    plot.open(options.plot);
    if (!plot) throw Refused(options.plot + ": cannot be written");
  }

  Comparison comparison;
  comparison.trace = options.trace;
  comparison.network = describe(machine.network);
  comparison.storage = describe(machine.storage);
  comparison.service =
      fmt::format("fan-outs {} and {}, {} tree{}, publish {}", options.service.fanouts.control,
                  options.service.fanouts.bulk, options.service.trees, options.service.trees == 1 ? "" : "s",
                  name_of(options.service.publish));
  comparison.processes = options.processes;
  comparison.thinking = workload.thinking();
  auto nodes = options.nodes;
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  for (const auto n : nodes) comparison.rows.push_back(compare(workload, machine, options, n));

  std::cout << (options.json ? comparison_json(comparison) : comparison_text(comparison)) << std::flush;
  if (plot.is_open()) plot << comparison_svg(comparison) << std::flush;
  if (!std::cout || (plot.is_open() && !plot)) {
    std::cerr << "copper: cannot write the answer\n";
    return 1;
  }
  return 0;
}

}  // namespace copper
