// copper: the user's command. Asks the rank of a node through its mount and prints the answer, simulates, or
// reports on a job that is over. Exit status: 0, 1 when the service does not answer or a clear is pending, 2
// when refused (an option, or no Copper mount); one line on stderr then.
#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "wrappers/copper/doctor.h"
#include "wrappers/copper/mount_control.h"
#include "wrappers/copper/refused.h"
#include "wrappers/copper/report/command.h"
#include "wrappers/copper/simulate/command.h"
#include "wrappers/copper/tables.h"

namespace copper {
namespace {

struct CommandOptions {
  std::string mount;
  ControlOp op = ControlOp::status;
  bool json = false;
  std::string path = "/";  // clear
};

int refuse(const std::string& line, int status) {
  std::cerr << "copper: " << line << '\n';
  return status;
}

int clear(const CommandOptions& options) {
  const auto path = source_path(options.mount, options.path);
  if (!path) return refuse("no such path can be below a mount: " + options.path, 2);
  const auto answer = ask_mount(options.mount, options.op, *path);
  const auto json = nlohmann::ordered_json::parse(answer, nullptr, false);
  if (!json.is_object()) throw Unanswered(1, options.mount + ": the answer is damaged");
  const bool cleared = json.value("cleared", false);
  const auto ranks = json.value("ranks", 0);
  if (options.json) {
    std::cout << answer << '\n' << std::flush;
  } else if (cleared) {
    std::cout << "copper: cleared " << *path << " on " << ranks << (ranks == 1 ? " node\n" : " nodes\n")
              << std::flush;
  } else {
    std::cout << "copper: pending: waiting for " << json.value("waiting_for", "a node") << "; " << *path
              << " is cleared on " << ranks << (ranks == 1 ? " node" : " nodes")
              << " so far, the others follow when they are reached\n"
              << std::flush;
  }
  if (!std::cout) return refuse("cannot write the answer", 1);
  return cleared ? 0 : 1;
}

int run(const CommandOptions& options) {
  const auto answer = ask_mount(options.mount, options.op);
  if (options.json) {
    std::cout << answer << '\n' << std::flush;
    return std::cout ? 0 : refuse("cannot write the answer", 1);
  }
  const auto json = nlohmann::ordered_json::parse(answer, nullptr, false);
  if (!json.is_object()) throw Unanswered(1, options.mount + ": the answer is damaged");
  std::cout << (options.op == ControlOp::status ? status_text(json) : stats_text(json)) << std::flush;
  return std::cout ? 0 : refuse("cannot write the answer", 1);
}

int main_of(int argc, char** argv) {
  CommandOptions options;
  CLI::App app("Ask a running Copper, simulate one, or report on one.", "copper");
  app.require_subcommand(1);
  auto* status =
      app.add_subcommand("status", "This node's rank, its place in the trees, its cache, what waits");
  auto* stats = app.add_subcommand("stats", "What this node and the whole job have counted");
  auto* clears = app.add_subcommand("clear", "Have every node forget what it holds at or below a path");
  clears->add_option("path", options.path, "As the source names it, or below the mount")
      ->capture_default_str();
  for (auto* verb : {status, stats, clears}) {
    verb->add_option("-v,--mount", options.mount, "The node's mount directory")->required();
    verb->add_flag("--json", options.json, "The answer as the rank gives it, for programs");
  }
  ReportOptions report_options;
  const auto* reports = add_report(app, report_options);
  SimulateOptions simulate_options;
  const auto* simulation = add_simulate(app, simulate_options);
  const auto* checks = add_doctor(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return refuse(std::string(error.what()) + " (see copper --help)", 2);
  }
  if (checks->parsed()) return doctor(*checks);
  if (simulation->parsed()) return simulate(simulate_options);
  if (reports->parsed()) return report(report_options);
  if (clears->parsed()) {
    options.op = ControlOp::clear;
    return clear(options);
  }
  options.op = stats->parsed() ? ControlOp::stats : ControlOp::status;
  return run(options);
}

}  // namespace
}  // namespace copper

int main(int argc, char** argv) {
  try {
    return copper::main_of(argc, argv);
  } catch (const copper::Unanswered& unanswered) {
    return copper::refuse(unanswered.what(), unanswered.status());
  } catch (const copper::Refused& refused) {
    return copper::refuse(refused.what(), 2);
  } catch (const std::exception& error) {
    return copper::refuse(error.what(), 1);
  }
}
