#include <vector>

#include "test/simulation/scenario.h"
#include "test/simulation/source.h"
#include "tree/simulation/failure.h"
#include "tree/simulation/simulation.h"

namespace copper::simulation {
namespace {

using namespace std::chrono_literals;

class Storm final : Application {
 public:
  explicit Storm(const Settings& settings)
      : random_(settings.seed),
        world_(random_.next(), {}),
        source_(60s),
        simulation_(settings.topology(), settings.node(), world_, source_, *this),
        asked_(settings.ranks) {
    for (std::uint32_t n = 0; n < settings.keys; ++n) keys_.push_back(make_key(n));
  }

  Ran run() {
    for (std::uint32_t n = 0; n < asked_.size(); ++n)
      simulation_.queue().after(random_.between(0ms, 50ms), [this, n] {
        simulation_.mounted(Rank{n});
        ask_next(Rank{n});
      });
    simulation_.run();
    check();
    return {simulation_.digest(), source_.loads(), simulation_.queue().happened(),
            simulation_.now().time_since_epoch(), simulation_.counters()};
  }

 private:
  // All kinds, five to a directory.
  Key make_key(std::uint32_t n) {
    const auto directory = "/lus/d" + std::to_string(n / 5);
    const auto path = directory + "/f" + std::to_string(n);
    source_.create(path, Instant{});
    switch (n % 5) {
      case 0:
        return Key::listing(directory);
      case 1:
        return Key::entry(path);
      default: {
        const auto loaded = source_.look({Key::entry(path), {}}, Instant{});
        const Outcome outcome{loaded.value, loaded.tag, {}};
        const auto version = source_.judge_entry(Key::entry(path), outcome, Instant{}, Instant{});
        return Key::file_block(path, n, *version);
      }
    }
  }

  void ask_next(Rank rank) {
    auto& asked = asked_[number(rank)];
    if (asked == keys_.size()) return;
    simulation_.ask(rank, Client{std::uint64_t{1} << 32 | asked}, keys_[asked], 0);
    ++asked;
  }

  void on_reply(Rank rank, const Reply& reply) override {
    const auto& key = keys_[asked_[number(rank)] - 1];
    const auto now = simulation_.now();
    if (key.kind == Kind::listing) source_.judge_listing(key, reply.outcome, now, now);
    if (key.kind == Kind::entry) source_.judge_entry(key, reply.outcome, now, now);
    if (key.kind == Kind::block)
      expect(!source_.judge_block(key, reply.outcome, now, now), "nothing changes");
    simulation_.queue().after(random_.between(0ms, 2ms), [this, rank] { ask_next(rank); });
  }

  void check() const {
    simulation_.check();
    for (const auto asked : asked_) expect(asked == keys_.size(), "each rank gets all it asks");
    expect(source_.loads() == keys_.size(), "storage is asked once for each key");
    expect(simulation_.network().repeated() == 0, "nothing crosses an edge twice");
    for (const auto& [key, loads] : source_.loads_by_key())
      expect(loads == 1, "loaded twice: " + describe(key));
    expect(simulation_.engine(Rank{0}).all_ready(), "rank 0 knows that all mounts answer");
  }

  Random random_;
  RandomWorld world_;
  Source source_;
  Simulation simulation_;
  std::vector<Key> keys_;
  std::vector<std::size_t> asked_;  // keys, by rank
};

}  // namespace

Ran run_storm(const Settings& settings) { return Storm(settings).run(); }

}  // namespace copper::simulation
