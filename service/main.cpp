// copper_service: one rank of the companion job. One thread runs MPI and the tree; storage has reader threads
// of its own. See service/README.md.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <functional>
#include <iostream>

#include "service/arena.h"
#include "service/cache_memory.h"
#include "service/idle.h"
#include "service/mpi/job.h"
#include "service/mpi/transport.h"
#include "service/options.h"
#include "service/process.h"
#include "service/report.h"
#include "service/ring_clients.h"
#include "service/segment/segment.h"
#include "service/segment_index.h"
#include "service/storage/mounts.h"
#include "service/storage/storage.h"
#include "tree/engine.h"

namespace copper {
namespace {

using namespace std::chrono_literals;

constexpr auto takeover_patience = 5s;
constexpr auto leaving_patience = 2s;
constexpr auto slow_period = 5s;
constexpr std::size_t slow_shown = 5;  // the oldest
constexpr int polls_per_wake = 4;      // some MPIs need several to report one message

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

// The one line that the launcher waits for, on rank 0's standard output.
class Announcement {
 public:
  Announcement(const MpiJob& job, std::vector<std::string> names, Instant started,
               std::chrono::seconds patience)
      : names_(std::move(names)), started_(started), patience_(patience), pending_(job.rank() == 0) {}

  // False where the mounts took longer than allowed: the job is to be given up.
  bool check(const Engine& engine, Instant now) {
    if (!pending_) return true;
    if (engine.all_ready()) {
      pending_ = false;
      fmt::print("copper: ready: {} nodes in {} ms\n", names_.size(), (now - started_) / 1ms);
      std::fflush(stdout);
      return true;
    }
    if (now - started_ < patience_) return true;
    std::vector<std::string> missing;
    for (const auto rank : engine.not_ready()) missing.push_back(names_.at(number(rank)));
    fmt::print("copper: not ready: {} (after {} s)\n", fmt::join(missing, ", "), patience_.count());
    std::fflush(stdout);
    return false;
  }

  Instant deadline() const { return pending_ ? started_ + patience_ : Instant::max(); }

 private:
  std::vector<std::string> names_;
  Instant started_;
  std::chrono::seconds patience_;
  bool pending_;
};

// What is not as it should be: a wait on storage, or on another rank, that lasts; the first of what nobody
// asked for, and each rank that is found dead.
class WatchLog {
 public:
  explicit WatchLog(std::shared_ptr<spdlog::logger> log) : log_(std::move(log)) {}

  void look(const Node& node, Instant now) {
    if (now < next_look_) return;
    next_look_ = now + slow_period;
    tell(node, Counter::answers_unasked, "answers came that nobody waited for");
    tell(node, Counter::messages_refused, "messages came that were not their sender's to send");
    tell(node, Counter::peers_dead, "ranks were found dead: what was asked of them is read directly");
    for (const auto& waiting : node.waiting(now, slow_shown)) {
      if (waiting.age < slow_period) continue;
      log_->warn("{} has been awaited for {} s by {}, from {}", describe(waiting.key), waiting.age / 1s,
                 waiting.waiters,
                 waiting.in_line ? "room in the cache"
                 : waiting.on    ? fmt::format("rank {}", number(*waiting.on))
                                 : "storage");
    }
  }

 private:
  // Once, with their number by then; `copper stats` has it at any time.
  void tell(const Node& node, Counter counter, const char* what) {
    auto& told = told_[static_cast<std::size_t>(counter)];
    const auto count = node.counters()[counter];
    if (!told && count > 0) log_->warn("{} {}", count, what);
    told = told || count > 0;
  }

  std::shared_ptr<spdlog::logger> log_;
  Instant next_look_{};
  std::array<bool, counter_count> told_{};
};

// Until told to leave; the process's exit status.
int run(Engine& engine, MpiTransport& transport, Segment& segment, Announcement& announcement,
        WatchLog watch) {
  Idle idle(segment);
  while (!told_to_leave.load(std::memory_order_relaxed)) {
    idle.before_turn();
    auto now = monotonic_now();
    segment.header().service_alive_ns.store(static_cast<std::uint64_t>(now.time_since_epoch().count()),
                                            std::memory_order_relaxed);
    std::size_t events = 0;
    for (int poll = 0; poll < polls_per_wake; ++poll) events += engine.turn(now);
    if (!announcement.check(engine, now)) return 1;
    watch.look(engine.node(), now);
    if (events > 0) {
      idle.active(now);
    } else {
      const auto deadline = std::min(engine.deadline().value_or(Instant::max()), announcement.deadline());
      idle.wait(now, transport.bulk_outstanding(), deadline);
    }
  }
  return 0;
}

int serve(const ServiceOptions& options, MpiJob& job, Segment& segment) {
  const auto started = monotonic_now();
  const auto names = node_names(options, job);
  const auto log =
      open_log(options.process, fmt::format("copper_service.{}.{}", job.hosts()[job.rank()], job.rank()));
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
            NodeOptions{.store_bytes = options.cache_bytes, .publish = options.publish}, &index);
  const auto damaged = arena.scan([&](Key key, Bytes bytes, Tag tag) {
    if (auto outcome = index.former(key, std::move(bytes), tag))
      node.adopt(key, std::move(*outcome), started);
  });
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
  Engine engine(node, transport, storage, clients, Report(segment, arena, names, started));
  Announcement announcement(job, names, started, options.ready_patience);

  const int status = run(engine, transport, segment, announcement, WatchLog(log));
  log->info("leaving with status {}", status);
  log->flush();
  if (status != 0) job.abort(status);
  transport.withdraw();
  job.leave(status, leaving_patience);
}

// One rank's refusal is everybody's: nobody waits for a rank that never starts.
void together(const MpiJob& job, const std::function<void()>& begin) {
  bool begun = false;
  try {
    begin();
    begun = true;
  } catch (const Refusal& refusal) {
    std::cerr << "copper_service: " << refusal.what() << '\n';
  }
  if (!job.all(begun)) job.leave(2, leaving_patience);
}

int launch(int argc, char** argv) {
  const auto options = parse_options(argc, argv);
  if (options.print_mpi) {
    std::cout << MpiJob::library() << '\n';
    return 0;
  }
  settle_process(options.process);
  leave_on_signals();
  MpiJob job(argc, argv);
  together(job, [&] {
    if (!options.groups.empty()) job.group_hosts(options.groups);
  });
  std::optional<Segment> segment;
  together(job, [&] { segment = own_segment(options, job); });
  return serve(options, job, *segment);
}

}  // namespace
}  // namespace copper

int main(int argc, char** argv) {
  return copper::run_program("copper_service", [&] { return copper::launch(argc, argv); });
}
