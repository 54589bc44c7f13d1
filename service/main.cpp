// copper_service: one rank of the companion job. One thread runs MPI and the tree; storage has reader threads
// of its own. See service/README.md.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <iostream>

#include "service/announcement.h"
#include "service/arena.h"
#include "service/cache_memory.h"
#include "service/exit_record.h"
#include "service/idle.h"
#include "service/mpi/job.h"
#include "service/mpi/transport.h"
#include "service/options.h"
#include "service/outputs/outputs.h"
#include "service/process.h"
#include "service/report.h"
#include "service/ring_clients.h"
#include "service/segment/segment.h"
#include "service/segment_index.h"
#include "service/storage/mounts.h"
#include "service/storage/storage.h"
#include "service/turns.h"
#include "service/watch_log.h"
#include "tree/engine.h"
#include "tree/limits.h"

namespace copper {
namespace {

using namespace std::chrono_literals;

constexpr auto takeover_patience = 5s;
constexpr auto leaving_patience = 2s;
constexpr auto record_patience = 5min;
constexpr auto parting_patience = 3s;
constexpr int status_still_held = 75;  // EX_TEMPFAIL of sysexits.h; copper_keeper.sh knows it
using Log = std::shared_ptr<spdlog::logger>;

std::atomic<bool> told_to_leave{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void leave_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { told_to_leave.store(true); };  // no SA_RESTART: it ends the sleep as well
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaction(signal, &action, nullptr);
}

// "frontier01234", or on one machine that plays several nodes "node3".
std::vector<std::string> node_names(const ServiceOptions& options, const MpiJob& job) {
  if (options.nodes == 0) return job.hosts();
  std::vector<std::string> names;
  for (std::uint32_t node = 0; node < job.size(); ++node) names.push_back(fmt::format("node{}", node));
  return names;
}

void check_placement(const ServiceOptions& options, const MpiJob& job) {
  if (options.nodes != 0 && options.nodes != job.size()) {
    throw Refusal(fmt::format("--nodes {} but {} ranks were started", options.nodes, job.size()));
  }
  if (options.nodes != 0) return;
  for (std::uint32_t other = 0; other < job.rank(); ++other) {
    if (job.hosts()[other] == job.hosts()[job.rank()]) {
      throw Refusal(fmt::format("ranks {} and {} are both on {}: start one rank per node (or use --nodes)",
                                other, job.rank(), job.hosts()[other]));
    }
  }
}

// The job's own mounts, and those of other runs on this host: through two of them a path could go round for
// ever.
std::vector<std::string> copper_mounts(const ServiceOptions& options) {
  auto paths = options.mounts();
  for (const auto& mounted : mounts()) {
    if (mounted.type == copper_type) paths.push_back(mounted.path);
  }
  return paths;
}

Segment own_segment(const ServiceOptions& options, const MpiJob& job) {
  check_placement(options, job);
  const auto node = options.nodes == 0 ? 0 : job.rank();
  return Segment::own({.stem = options.run_dir / fmt::format("node{}", node),
                       .lanes = options.lanes,
                       .arena_bytes = options.cache_bytes},
                      takeover_patience);
}

// Ranks that are gone do not come back by themselves, and MPI cannot be repaired: the service ends, and its
// keeper starts it again without their hosts. By an exit record it knows that it has to; where storage holds
// that up there is no hurry.
class Losses {
 public:
  Losses(const ServiceOptions& options, const std::vector<std::string>& names, Log log)
      : options_(options), names_(names), log_(std::move(log)) {}

  // Has the service to end?
  bool end_it(const Node& node, Instant now) {
    if (node.lost().empty()) return false;
    if (!record_.valid()) say(node, now);
    if (!record_.valid()) return true;  // there is no log directory
    const bool written = record_.wait_for(0s) == std::future_status::ready;
    if (!written && now - said_ < record_patience) return false;
    if (!written || !record_.get())
      log_->error("cannot write an exit record to {}", options_.process.log_dir.string());
    return true;
  }

 private:
  void say(const Node& node, Instant now) {
    std::vector<std::string> silent;
    for (const auto rank : node.dead()) silent.push_back(names_.at(number(rank)));
    log_->error("{} silent for {} s: the service ends, to be started again", fmt::join(silent, ", "),
                limits::peer_lost / 1s);
    said_ = now;
    if (!options_.process.log_dir.empty())
      record_ = write_exit_record(options_.process.log_dir, options_.restarts.count,
                                  names_.at(number(node.self())), std::move(silent));
  }

  const ServiceOptions& options_;
  const std::vector<std::string>& names_;
  const Log log_;
  std::future<bool> record_;
  Instant said_{};
};

// Until told to leave; the process's exit status.
int run(Turns& turns, const Engine& engine, Announcement& announcement, WatchLog watch, Losses losses) {
  while (!told_to_leave.load(std::memory_order_relaxed)) {
    const auto now = turns.take();
    if (!announcement.check(engine, now) || losses.end_it(engine.node(), now)) return 1;
    watch.look(engine.node(), now);
    turns.wait(now, announcement.deadline());
  }
  return 0;
}

// The job's last census, the last files, and the others: they may need this rank until they have come as far.
// False where they do not come.
bool part(Turns& turns, Engine& engine, Outputs& outputs, const MpiJob& job) {
  outputs.told_to_leave(engine, monotonic_now());
  for (auto now = turns.take(); !outputs.may_leave(engine, now); now = turns.take())
    turns.wait(now, now + 1ms);
  return job.meet(parting_patience, [&] { turns.take(); });
}

void make_directory(const std::filesystem::path& path) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) throw Refusal(fmt::format("cannot make the directory {}: {}", path.string(), failed.message()));
}

// In a run that has begun a log is worth no refusal: it goes where the output goes.
Log open_rank_log(const ServiceOptions& options, const MpiJob& job) {
  auto process = options.process;
  process.log_dir = options.log_dir(job.rank(), job.size());
  const auto name = fmt::format("copper_service.{}.{}", job.hosts()[job.rank()], job.rank());
  try {
    if (!process.log_dir.empty()) make_directory(process.log_dir);
    return open_log(process, name);
  } catch (const Refusal&) {
    if (options.restarts.count == 0) throw;
    process.log_dir.clear();
    return open_log(process, name);
  }
}

int serve(const ServiceOptions& options, MpiJob& job, Segment& segment, Log log, Instant process_started) {
  const auto started = monotonic_now();
  const auto names = node_names(options, job);
  log->info("rank {} of {} on {}, {} tree(s) of fan-out {}, {} for blocks, publishes {}, cache {} bytes",
            job.rank(), job.size(), names[job.rank()], options.trees, options.fanouts.control,
            options.fanouts.bulk, name_of(options.publish), options.cache_bytes);

  segment.header().freshness_ms.store(static_cast<std::uint64_t>(options.freshness.count()),
                                      std::memory_order_relaxed);
  segment.header().ranks.store(job.size(), std::memory_order_relaxed);
  segment.header().max_cacheable_bytes.store(options.max_cacheable_bytes, std::memory_order_relaxed);

  SegmentIndex index(segment);
  Arena arena(segment);
  const Topology topology(job.size(), options.fanouts, options.trees);
  Node node(Rank{job.rank()}, topology,
            NodeOptions{.store_bytes = options.cache_bytes,
                        .publish = options.publish,
                        .paths_counted = paths_counted(options.outputs)},
            &index);
  const auto damaged = arena.scan([&](Key key, Bytes bytes, Tag tag) {
    if (auto outcome = index.former(key, std::move(bytes), tag))
      node.adopt(key, std::move(*outcome), started);
  });
  index.end_former();
  node.counters().add(Counter::blocks_damaged, damaged);
  if (damaged > 0)
    log->warn("{} blocks that a former rank left are damaged: they are fetched again", damaged);
  CacheMemory memory(arena, node);
  MpiTransport transport(job, topology, memory, node.counters(),
                         [&log](const std::string& line) { log->warn("{}", line); });
  PosixStorage storage(
      {.freshness = options.freshness, .local = options.local, .mounts = copper_mounts(options)}, memory,
      [&segment] { segment.ring_service(); });
  RingClients clients(segment, arena, memory, node.counters());
  Outputs outputs(options.outputs,
                  {.self = Rank{job.rank()},
                   .hosts = job.hosts(),
                   .names = names,
                   .writes = options.writes(job.rank(), job.size())},
                  {segment, arena, clients, storage}, process_started, monotonic_now(), log, node.counters());
  Engine engine(node, transport, storage, clients, Report(segment, arena, names, options.restarts, started),
                std::bind_front(&Outputs::profile, &outputs));
  Announcement announcement(job, names, started, options.ready_patience, options.restarts.count > 0);
  Turns turns(engine, transport, segment, outputs);

  node.watch_neighbours(monotonic_now());
  const int status = run(turns, engine, announcement, WatchLog(log), Losses(options, names, log));
  log->info("leaving with status {}", status);
  if (status != 0) {
    log->flush();
    job.abort(status);
  }
  const bool all_leave = part(turns, engine, outputs, job);
  if (!all_leave && !exists(options.run_dir / "stopping")) {
    log->warn("only this rank was told to leave: the service ends, to be started again");
    log->flush();
    job.abort(EXIT_FAILURE);
  }
  transport.withdraw();
  log->flush();
  job.leave(status, leaving_patience);
}

// One rank's refusal is everybody's: nobody waits for a rank that never starts.
void together(const MpiJob& job, const std::function<void()>& begin) {
  bool begun = false;
  bool again = false;
  try {
    begin();
    begun = true;
  } catch (const StillHeld& refusal) {
    std::cerr << "copper_service: " << refusal.what() << '\n';
    again = true;
  } catch (const Refusal& refusal) {
    std::cerr << "copper_service: " << refusal.what() << '\n';
  }
  if (job.all(begun)) return;
  job.leave(job.all(begun || again) ? status_still_held : 2, leaving_patience);
}

// In a run that has begun, files for people to read are worth no refusal.
void write_books(const ServiceOptions& options, const MpiJob& job,
                 const std::optional<std::vector<FacilityBook::Entry>>& book, spdlog::logger& log) {
  try {
    write_address_books(options.addresses, job, book, options.log_dir(0, job.size()), log);
  } catch (const Refusal& refusal) {
    if (options.restarts.count == 0) throw;
    log.warn("{}", refusal.what());
  }
}

int launch(int argc, char** argv) {
  const auto process_started = monotonic_now();
  const auto options = parse_options(argc, argv);
  if (options.print_mpi) {
    std::cout << MpiJob::library() << '\n';
    return 0;
  }
  settle_process(options.process);
  leave_on_signals();
  MpiJob job(argc, argv);
  std::optional<std::vector<FacilityBook::Entry>> book;
  together(job, [&] { book = consult_book(options.addresses, job); });
  Log log;
  together(job, [&] { log = open_rank_log(options, job); });
  together(job, [&] { write_books(options, job, book, *log); });
  std::optional<Segment> segment;
  together(job, [&] { segment = own_segment(options, job); });
  return serve(options, job, *segment, log, process_started);
}

}  // namespace
}  // namespace copper

int main(int argc, char** argv) {
  return copper::run_program("copper_service", [&] { return copper::launch(argc, argv); });
}
