#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "test/simulation/clears.h"
#include "test/simulation/faults.h"
#include "test/simulation/reader.h"
#include "test/simulation/scenario.h"
#include "test/simulation/source.h"
#include "tree/limits.h"
#include "tree/simulation/failure.h"
#include "tree/simulation/simulation.h"

namespace copper::simulation {
namespace {

using namespace std::chrono_literals;

constexpr auto freshness = 2s;
constexpr auto changes_end = 8s;
constexpr std::uint32_t directories = 3;
constexpr std::uint32_t files_per_directory = 4;
constexpr std::uint32_t blocks_per_file = 3;
constexpr std::size_t large_store = std::size_t{1} << 20;  // nothing is evicted

// Segments short enough for a long block to be several.
constexpr FlowLimits flow{.headers_in_flight = 8, .bytes_in_flight = 20'000, .segment_bytes = 2'000};

class Mixed final : Application {
 public:
  explicit Mixed(const Settings& settings)
      : random_(settings.seed),
        world_(random_.next(), longest()),
        source_(freshness),
        simulation_(settings.topology(), settings.node(), world_, source_, *this, Detail::whole, flow),
        faults_(choose_faults(random_, settings.ranks)),
        generations_(settings.ranks, 1) {
    if (random_.one_in(2)) simulation_.look_first();
    world_.damage_one_in(faults_.damaged_one_in);
    world_.full_one_in(faults_.full_one_in);
    source_.fail_one_in(faults_.failures_one_in, random_.next());
    if (settings.store_bytes >= large_store) source_.ranks_remember();
    std::uint32_t depth = 0;
    for (std::uint32_t n = 0; n < settings.ranks; ++n)
      depth = std::max(depth, simulation_.topology().depth(Rank{n}, first_tree));
    const auto& times = world_.longest();
    // What an answer may have aged on its way: down the tree after its storage looked, twice for a repeated
    // load.
    slack_ = 4 * (depth + 2) * (times.message + faults_.starvation + times.wake) +
             3 * (times.look + times.load + times.wake);
    for (std::uint32_t n = 0; n < directories * files_per_directory; ++n) {
      paths_.push_back("/lus/d" + std::to_string(n / files_per_directory) + "/f" + std::to_string(n));
      source_.create(paths_.back(), Instant{});
    }
  }

  Ran run() {
    auto& queue = simulation_.queue();
    const auto ranks = simulation_.topology().ranks();
    for (std::uint32_t n = 0; n < ranks; ++n)
      queue.after(random_.between(0ms, 1000ms), [this, n] {
        expect(!simulation_.engine(Rank{0}).all_ready(),
               "rank 0 does not count a mount that does not answer yet");
        if (!simulation_.stopped(Rank{n})) simulation_.mounted(Rank{n});
      });
    for (std::uint32_t n = 0; n < 2 * ranks; ++n)
      start({.rank = some_rank(), .opens_left = 12}, random_.between(0ms, 500ms));
    for (std::uint32_t n = 0; n < 60; ++n)
      queue.after(random_.between(0s, changes_end), [this] { change_something(); });
    for (std::uint32_t n = 0; n < 3; ++n) {
      queue.after(random_.between(0s, changes_end), [this] { worker_dies(some_rank()); });
      queue.after(random_.between(1s, changes_end), [this] {
        const auto rank = some_rank();
        if (simulation_.stopped(rank)) return;
        simulation_.ask_stats(rank, new_client(rank));
        ++reports_due_;
      });
    }
    for (std::uint32_t n = 0; n < 6; ++n)
      queue.after(random_.between(0s, changes_end), [this] { clear_something(); });
    for (std::uint32_t n = 0; n < 3; ++n)
      queue.after(random_.between(1s, changes_end), [this] {
        const auto rank = some_rank();
        if (!simulation_.stopped(rank)) simulation_.take_census(rank, Scope::profile);
      });
    for (std::uint32_t n = 0; n < faults_.stops; ++n)
      queue.after(random_.between(500ms, changes_end), [this] {
        if (random_.one_in(2)) return stop(some_rank());
        stop_sender(2000);
      });
    for (std::uint32_t n = 0; n < faults_.restarts; ++n)
      queue.after(random_.between(500ms, changes_end), [this] { restart(); });
    for (std::uint32_t n = 0; n < faults_.starved; ++n)
      queue.after(random_.between(0s, changes_end),
                  [this] { world_.starve(some_rank(), some_rank(), faults_.starvation); });
    const auto settled = changes_end + freshness + limits::racy_window + slack_;
    for (std::uint32_t n = 0; n < ranks; ++n)
      for (const auto& path : paths_)
        start({.rank = Rank{n}, .last_look = true, .opens_left = 1, .path = path}, settled);
    simulation_.run();
    check();
    return {simulation_.digest(), source_.loads(), queue.happened(), simulation_.now().time_since_epoch(),
            simulation_.counters()};
  }

 private:
  RandomWorld::Longest longest() {
    return {.message = random_.between(10us, 3000us),
            .look = random_.between(10us, 40000us),
            .load = random_.between(10us, 40000us),
            .wake = random_.between(1us, 1000us)};
  }
  Rank some_rank() { return Rank{random_.between(0, simulation_.topology().ranks() - 1)}; }
  Client new_client(Rank rank) {
    return Client{std::uint64_t{generations_[number(rank)]} << 32 | ++last_client_};
  }

  // Half of everything happens to one file.
  const std::string& some_path() { return paths_[random_.one_in(2) ? 0 : random_.below(paths_.size())]; }

  // ---- the world
  void change_something() {
    const auto& path = some_path();
    const auto now = simulation_.now();
    if (!source_.exists(path)) return source_.create(path, now);
    switch (random_.below(6)) {
      case 0:
        return source_.remove(path, now);
      case 1:
        return source_.create(path, now);  // replaced by rename
      case 2:
        source_.change(path, now);
        simulation_.queue().after(random_.between(0s, limits::racy_window),
                                  [this, path] { source_.change_unseen(path, simulation_.now()); });
        return;
      default:
        return source_.change(path, now);
    }
  }
  void clear_something() {
    const auto rank = some_rank();
    if (simulation_.stopped(rank)) return;
    Path path("/");
    if (!random_.one_in(3)) path = random_.one_in(2) ? Path(some_path()) : Path(parent_path(some_path()));
    const auto client = new_client(rank);
    clears_.begin(client, path, simulation_.now());
    source_.clear_begins();
    simulation_.clear(rank, client, path);
  }
  void stop(Rank rank) {
    if (simulation_.stopped(rank)) return;
    simulation_.stop(rank);
    for (auto& reader : readers_) {
      if (reader->rank != rank) continue;
      if (reader->client) waiting_.erase(*reader->client);
      reader->client.reset();
      reader->opens_left = -1;
    }
  }
  // What a root had for the job it has again, and does not load.
  void restart() {
    source_.ranks_restart([&](const Key& key) {
      const auto& topology = simulation_.topology();
      const auto root = topology.root(topology.tree_of(key));
      const auto* ready = simulation_.engine(root).node().store().ready(key);
      return ready != nullptr && !ready->suspect && ready->outcome.fresh_until == Instant::max();
    });
    simulation_.restart();
  }
  // Stops a rank while a block is on its way from it.
  void stop_sender(int looks) {
    for (std::uint32_t n = 0; n < simulation_.topology().ranks(); ++n) {
      std::optional<Rank> sender;
      if (simulation_.stopped(Rank{n})) continue;
      simulation_.engine(Rank{n}).node().store().each_pending([&](const Key&, const Pending& pending) {
        if (pending.arriving && !pending.arriving->arrival->complete()) sender = pending.on;
        return !sender;
      });
      if (sender && !simulation_.stopped(*sender)) return stop(*sender);
    }
    if (looks > 0) simulation_.queue().after(200us, [this, looks] { stop_sender(looks - 1); });
  }
  void worker_dies(Rank rank) {
    if (simulation_.stopped(rank)) return;
    simulation_.worker_gone(rank, generations_[number(rank)]++);
    for (auto& reader : readers_)
      if (reader->rank == rank && reader->client) give_up(*reader);
  }

  // ---- readers
  void start(Reader reader, Duration delay) {
    readers_.push_back(std::make_unique<Reader>(std::move(reader)));
    simulation_.queue().after(delay, [this, r = readers_.back().get()] { open_next(*r); });
  }
  void open_next(Reader& reader) {
    if (simulation_.stopped(reader.rank)) reader.opens_left = -1;
    if (reader.opens_left == -1 || reader.opens_left-- == 0) return;
    reader.tries = 0;
    reader.first_try = simulation_.now();
    reader.gone.reset();
    reader.by_listing = !reader.last_look && random_.one_in(2);
    if (!reader.last_look) reader.path = some_path();
    open(reader);
  }
  void done(Reader& reader) {
    simulation_.queue().after(random_.between(0ms, 1000ms), [this, &reader] { open_next(reader); });
  }
  void open(Reader& reader) {
    if (!reader.last_look && random_.one_in(20)) return ask(reader, Key::filesystem(reader.path));
    ask(reader, reader.by_listing ? Key::listing(parent_path(reader.path)) : Key::entry(reader.path));
  }
  void ask(Reader& reader, const Key& key) {
    const auto client = new_client(reader.rank);
    const auto seen = reader.seen.find(key);
    reader.client = client;
    reader.key = key;
    reader.have = seen == reader.seen.end() ? 0 : seen->second;
    reader.asked = simulation_.now();
    waiting_[client] = &reader;
    simulation_.ask(reader.rank, client, key, reader.have);
    if (!reader.last_look && random_.one_in(20))
      simulation_.queue().after(random_.between(0us, 20ms), [this, &reader, client] {
        if (reader.client != client) return;
        simulation_.cancel(reader.rank, client);
        give_up(reader);
      });
  }
  void give_up(Reader& reader) {
    waiting_.erase(*reader.client);
    reader.client.reset();
    done(reader);
  }

  void on_reply(Rank, const Reply& reply) override {
    const auto found = waiting_.find(reply.client);
    if (found == waiting_.end()) return;  // it crossed with giving up
    auto& reader = *found->second;
    waiting_.erase(found);
    reader.client.reset();
    const auto& outcome = reply.outcome;
    expect(reply.unchanged == (outcome.value.ok() && reader.have != 0 && reader.have == outcome.tag),
           "unchanged is said exactly where it is so");
    if (outcome.value.ok()) {
      expect(outcome.tag == tag_of(outcome.value->span()), "the tag is that of the bytes");
      reader.seen[reader.key] = outcome.tag;
    }
    go_on(reader, outcome);
  }

  // What is no answer: storage failed, or a rank on the way is dead.
  bool failed(const Reader& reader, const Outcome& outcome) {
    if (!outcome.value.ok() && outcome.value.error() == not_carried) {
      ++told_dead_;
      expect(!faults_.none(), "nobody is dead");
      return true;
    }
    return source_.judge_failure(reader.key, outcome, reader.asked - slack_, simulation_.now());
  }
  void go_on(Reader& reader, const Outcome& outcome) {
    const auto now = simulation_.now();
    const auto key = reader.key;
    if (failed(reader, outcome)) return done(reader);
    const auto cleared = clears_.known_to(reader.key, reader.asked);
    const auto since = [&](Duration age) {
      return reader.last_look ? now : std::max(reader.asked - age - slack_, cleared);
    };
    switch (key.kind) {
      case Kind::entry:
        return opened(reader, source_.judge_entry(key, outcome, since(freshness), now));
      case Kind::listing: {
        if (key.block > 0) {
          if (source_.judge_block(key, outcome, since(0s), now)) return try_again(reader);
          return done(reader);
        }
        const auto listed = source_.judge_listing(key, outcome, since(freshness), now);
        if (cleared > Instant{}) source_.judge_riding(listed, cleared, now);
        if (random_.one_in(4)) return ask(reader, Key::listing_block(key.path, 1, listed.edition));
        const auto file = listed.files.find(reader.path);
        return opened(reader, file == listed.files.end() ? std::nullopt : std::optional(file->second));
      }
      case Kind::block:
        if (source_.judge_block(key, outcome, since(limits::racy_window), now)) {
          expect_expired(reader);
          reader.gone = key.version;
          return try_again(reader);
        }
        if (key.block + 1 == blocks_per_file) return done(reader);
        return ask(reader, Key::file_block(key.path, key.block + 1, key.version));
      case Kind::filesystem:
        return done(reader);
    }
  }
  // Before ESTALE is told, the rank has heard that what named the version has expired.
  void expect_expired(const Reader& reader) const {
    const auto entry = Key::entry(reader.path);
    const auto* ready = simulation_.engine(reader.rank).node().store().ready(entry);
    const auto now = simulation_.now();
    if (ready == nullptr || !ready->outcome.fresh(now)) return;
    expect(source_.judge_entry(entry, ready->outcome, Instant{}, now) != reader.key.version,
           "gone before it had expired: " + describe(reader.key));
  }
  void opened(Reader& reader, const std::optional<Version>& version) {
    if (!version) return done(reader);
    expect(version != reader.gone, "what was gone does not come back: " + describe(reader.key));
    ask(reader, Key::file_block(reader.path, 0, *version));
  }
  void try_again(Reader& reader) {
    expect(!reader.last_look || faults_.stops + faults_.starved > 0,
           "after the last change nobody finds a version gone");
    // One version may have been remembered for long, by a listing; any other was true lately.
    const std::string directory(parent_path(reader.path));
    const auto changes = source_.changes_since(directory, reader.first_try - freshness - slack_);
    // Who is cut off from a root hears of no expiry.
    if (++reader.tries > changes + 1 && faults_.stops + faults_.starved > 0) return done(reader);
    expect(reader.tries <= changes + 1, "a reader gets through: " + reader.path);
    open(reader);
  }

  void on_notice(Rank rank, const Key& key) override {
    if (rank == simulation_.topology().root(simulation_.topology().tree_of(key))) source_.expired(key);
  }
  void on_clearance(Rank, Client client, const Clearance& clearance) override {
    expect(!clearance.missing || !faults_.none(), "a clear reaches every rank");
    if (clearance.missing) return;
    expect(clearance.ranks == simulation_.topology().ranks(), "a clear counts every rank once");
    source_.clear_ends(clears_.end(client, simulation_.now()));
  }
  void on_report(Rank, Client, const Census& census) override {
    expect_counted(census);
    --reports_due_;
  }
  void on_census(Rank, const Census& census) override {
    expect_counted(census);
    for (std::size_t i = 0; i < counter_count; ++i)
      expect(census.profile.counters[i].sum == census.counters.values()[i],
             "a profile is the sum of its ranks");
  }
  void expect_counted(const Census& census) {
    const bool all = census.ranks == simulation_.topology().ranks();
    expect(all || faults_.stops + faults_.starved > 0, "a census counts every rank");
  }

  void check() const {
    simulation_.check();
    expect(waiting_.empty(), "no reader waits");
    for (const auto& reader : readers_) expect(reader->opens_left == -1, "each reader comes to its end");
    expect(faults_.stops > 0 || simulation_.engine(Rank{0}).all_ready(),
           "rank 0 knows that all mounts answer");
    if (faults_.none()) expect(told_dead_ == 0, "nobody is taken for dead");
  }

  Random random_;
  RandomWorld world_;
  Source source_;
  Simulation simulation_;
  const Faults faults_;
  std::uint64_t told_dead_ = 0;
  Duration slack_{};
  std::vector<std::string> paths_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::map<Client, Reader*> waiting_;
  Clears clears_;
  std::vector<std::uint32_t> generations_;  // of each rank's front-end worker
  std::uint32_t last_client_ = 0;
  int reports_due_ = 0;
};

}  // namespace

Ran run_mixed(const Settings& settings) { return Mixed(settings).run(); }

Settings mixed_settings(std::uint64_t seed) {
  Random random(seed);
  return {.seed = seed,
          .ranks = random.between(1, 40),
          .fanouts = {random.between(1, 9), random.between(1, 4)},
          .trees = random.between(1, 5),
          .publish = publish_policies()[(random.below(4) + 2) % 3].second,
          .store_bytes =
              random.one_in(2) ? random.between(0, random.one_in(2) ? 4'000 : 80'000) : large_store * 8};
}

}  // namespace copper::simulation
