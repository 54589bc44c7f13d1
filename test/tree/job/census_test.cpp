// The job's counters, from any rank.
#include "tree/job/census.h"

#include <deque>

#include "test/tree/node/node_harness.h"
#include "tree/limits.h"

namespace copper::test {
namespace {

// Two of them do not fit one message.
const std::string long_path = [] {
  std::string path;
  for (int n = 0; n < 12; ++n) path += "/" + std::string(200, 'x');
  return path + "/";
}();

// What each rank has to say for itself.
CensusTaker::Own one_each(std::uint32_t rank) {
  return [rank](Scope scope) {
    Census own;
    own.ranks = 1;
    own.counters.add(Counter::client_asks);
    own.counters.add(Counter::bytes_sent, rank);
    if (scope == Scope::counters) return own;
    own.profile = Profile(100);
    own.profile.counters.resize(1);
    own.profile.timings.push_back({Rank{rank}, rank, std::nullopt, {}});
    if (scope == Scope::timings) return own;
    own.profile.counters[0].add(Spread::of(rank, Rank{rank}));
    for (std::uint32_t n = 0; n < 100; ++n)
      own.profile.add({{Kind::entry, long_path + std::to_string(n)}, {.asks = 1}});
    return own;
  };
}

// All ranks' takers and the messages between them.
class Job {
 public:
  explicit Job(const Topology& topology) {
    for (std::uint32_t n = 0; n < topology.ranks(); ++n) takers.emplace_back(Rank{n}, topology);
  }
  std::uint64_t begin(std::uint32_t rank, Scope scope = Scope::counters) {
    Actions out;
    const auto census = takers[rank].begin(scope, one_each(rank), now, out);
    post(Rank{rank}, out);
    return census;
  }
  // Delivers everything, except to and from a rank that is silent.
  void deliver(std::optional<Rank> silent = {}) {
    for (; !way.empty(); way.pop_front()) {
      const auto [from, send] = way.front();
      if (from == silent || send.to == silent) continue;
      Actions out;
      auto& taker = takers[number(send.to)];
      if (const auto* count = std::get_if<Count>(&send.message)) {
        ++counts;
        REQUIRE(taker.on_count(from, *count, one_each(number(send.to)), now, out));
      } else if (const auto* portion = std::get_if<Portion>(&send.message)) {
        if (portions_to_lose == 0 || --portions_to_lose > 0) REQUIRE(taker.on_portion(from, *portion));
      } else {
        REQUIRE(taker.on_counted(from, std::get<Counted>(send.message), out));
      }
      post(send.to, out);
    }
  }

  void post(Rank from, const Actions& actions) {
    for (const auto& action : actions) way.emplace_back(from, std::get<Send>(action));
  }

  std::vector<CensusTaker> takers;
  std::deque<std::pair<Rank, Send>> way;
  std::size_t counts = 0;
  std::size_t portions_to_lose = 0;  // the last of so many
  Instant now{1s};
};

}  // namespace

TEST_CASE("each rank is counted once, whoever asks, in every tree") {
  for (std::uint32_t ranks = 1; ranks <= 20; ++ranks)
    for (std::uint32_t fanout : {1u, 2u, 3u, 64u})
      for (std::uint32_t asker = 0; asker < ranks; ++asker) {
        Job job(Topology(ranks, {fanout, 2}, 2));
        const auto census = job.begin(asker);
        job.deliver();
        const auto taken = job.takers[asker].taken(job.now);
        REQUIRE(taken);
        REQUIRE(taken->number == census);
        REQUIRE(taken->census.ranks == ranks);
        REQUIRE(taken->census.counters[Counter::client_asks] == ranks);
        REQUIRE(taken->census.counters[Counter::bytes_sent] == ranks * (ranks - 1) / 2);
        REQUIRE(job.counts == ranks - 1);
        for (const auto& taker : job.takers) REQUIRE_FALSE(taker.deadline());
      }
}

TEST_CASE("censuses of several askers at once do not mix") {
  Job job(Topology(13, {3, 2}, 1));
  const auto first = job.begin(4);
  const auto second = job.begin(4);
  job.begin(9);
  job.deliver();
  CHECK(job.takers[4].taken(job.now)->number == first);
  CHECK(job.takers[4].taken(job.now)->number == second);
  CHECK_FALSE(job.takers[4].taken(job.now));
  CHECK(job.takers[9].taken(job.now)->census.ranks == 13);
}

TEST_CASE("a silent rank costs its subtree's count, not the asker's time") {
  Job job(Topology(7, {2, 2}, 1));
  job.begin(0);
  job.deliver(Rank{1});
  CHECK_FALSE(job.takers[0].taken(job.now));
  CHECK(job.takers[0].deadline() == job.now + limits::census_patience);
  job.now += limits::census_patience;
  const auto taken = job.takers[0].taken(job.now);
  REQUIRE(taken);
  CHECK(taken->census.ranks == 4);  // 0, 2, 5, 6

  Actions out;
  CHECK(job.takers[0].on_counted(Rank{1}, {{Rank{0}, taken->number}, 3, {}}, out));  // too late: dropped
  CHECK_FALSE(job.takers[0].taken(job.now));
}

TEST_CASE("a silent rank costs the count of those behind it, not of those beside") {
  Job job(Topology(15, {2, 2}, 1));
  job.begin(0);
  job.deliver(Rank{3});  // below 1, beside 4; behind it are 7 and 8
  REQUIRE(job.takers[1].deadline());
  REQUIRE(*job.takers[1].deadline() < *job.takers[0].deadline());
  job.now = *job.takers[1].deadline();
  Actions out;
  job.takers[1].on_time(job.now, out);
  REQUIRE(out.size() == 1);
  job.post(Rank{1}, out);
  job.deliver(Rank{3});
  CHECK_FALSE(job.takers[1].deadline());
  const auto taken = job.takers[0].taken(job.now);
  REQUIRE(taken);
  CHECK(taken->census.ranks == 12);
}

TEST_CASE("a profile is summed over all ranks, whoever asks, in messages of bounded length") {
  for (std::uint32_t ranks : {1u, 2u, 7u, 20u})
    for (std::uint32_t asker : {0u, ranks - 1}) {
      Job job(Topology(ranks, {3, 2}, 1));
      job.begin(asker, Scope::profile);
      job.deliver();
      const auto taken = job.takers[asker].taken(job.now);
      REQUIRE(taken);
      const auto& profile = taken->census.profile;
      CHECK(profile.counters[0].sum == ranks * (ranks - 1) / 2);
      CHECK(profile.counters[0].ranks == ranks);
      CHECK(profile.counters[0].max_rank == Rank{ranks - 1});
      REQUIRE(profile.timings.size() == ranks);
      CHECK(profile.timings.back().rank == Rank{ranks - 1});
      REQUIRE(profile.paths().size() == 100);
      CHECK(profile.paths().back().count.asks == ranks);
      CHECK((profile.left_out() == 0 && profile.portions_lost == 0));
    }
}

TEST_CASE("only as much of a profile is sent as is asked for") {
  Job job(Topology(5, {2, 2}, 1));
  job.begin(0, Scope::timings);
  job.deliver();
  const auto taken = job.takers[0].taken(job.now);
  CHECK(taken->census.profile.timings.size() == 5);
  CHECK(taken->census.profile.paths().empty());
}

TEST_CASE("a portion that is lost on its way is missed") {
  Job job(Topology(5, {2, 2}, 1));
  job.portions_to_lose = 3;
  job.begin(0, Scope::profile);
  job.deliver();
  const auto taken = job.takers[0].taken(job.now);
  CHECK(taken->census.ranks == 5);
  CHECK(taken->census.profile.portions_lost == 1);
}

TEST_CASE("only neighbours count, and nothing is counted twice") {
  CensusTaker taker(Rank{1}, Topology(7, {2, 2}, 1));
  Actions out;
  CHECK_FALSE(taker.on_count(Rank{2}, {{Rank{2}, 1}}, one_each(1), Instant{}, out));   // no neighbour
  CHECK_FALSE(taker.on_count(Rank{0}, {{Rank{99}, 1}}, one_each(1), Instant{}, out));  // no rank
  CHECK_FALSE(taker.on_count(Rank{0}, {{Rank{1}, 1}}, one_each(1), Instant{}, out));   // my own
  CHECK(taker.on_count(Rank{0}, {{Rank{0}, 1}}, one_each(1), Instant{}, out));
  CHECK_FALSE(taker.on_count(Rank{3}, {{Rank{0}, 1}}, one_each(1), Instant{}, out));  // told already
  CHECK(out.size() == 2);
  CHECK_FALSE(taker.on_count(Rank{0}, {{Rank{0}, 2}, Scope::counters, 5}, one_each(1), Instant{},
                             out));  // so far off is nobody
  CHECK_FALSE(taker.on_count(Rank{0}, {{Rank{0}, 2}, Scope::counters, 0}, one_each(1), Instant{}, out));
  CHECK_FALSE(taker.on_counted(Rank{0}, {{Rank{0}, 1}, 1, {}}, out));  // it asked me
  CHECK_FALSE(taker.on_portion(Rank{0}, {{Rank{0}, 1}, {}}));
  CHECK_FALSE(taker.on_portion(Rank{3}, {{Rank{0}, 1}, {}}));  // damaged
  CHECK(taker.on_portion(Rank{3}, {{Rank{0}, 9}, {}}));        // too late
  CHECK(taker.on_counted(Rank{3}, {{Rank{0}, 1}, 1, {}}, out));
  CHECK_FALSE(taker.on_counted(Rank{3}, {{Rank{0}, 1}, 1, {}}, out));  // twice
  CHECK(taker.on_counted(Rank{4}, {{Rank{0}, 1}, 1, {}}, out));
  CHECK(sent<Counted>(out, 0, 2).ranks == 3);
}

TEST_CASE("a flood of censuses is bounded") {
  CensusTaker taker(Rank{1}, Topology(7, {2, 2}, 1));
  Actions out;
  for (std::uint64_t n = 0; n < 10 * limits::censuses; ++n)
    CHECK(taker.on_count(Rank{0}, {{Rank{0}, n}}, one_each(1), Instant{}, out));
  CHECK(out.size() == 2 * limits::censuses);
}

}  // namespace copper::test
