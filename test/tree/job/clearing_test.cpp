// The job forgets: every tree comes down to every rank, and the asker hears when all have.
#include "tree/job/clearing.h"

#include <deque>

#include "test/tree/node/node_harness.h"

namespace copper::test {
namespace {

// All ranks' nodes and what carries a clear between them.
class Job {
 public:
  explicit Job(const Topology& topology) {
    for (std::uint32_t n = 0; n < topology.ranks(); ++n) {
      nodes.emplace_back(n, topology);
      clearings.emplace_back(nodes.back().node);
    }
  }
  std::uint64_t begin(std::uint32_t rank, const Path& path = "/d") {
    Actions out;
    const auto number = clearings[rank].begin(path, now, out);
    REQUIRE(number);
    post(Rank{rank}, out);
    return *number;
  }
  // Delivers everything, except to and from a rank that is silent.
  void deliver(std::optional<Rank> silent = {}) {
    for (; !way.empty(); way.pop_front()) {
      const auto [from, send] = way.front();
      if (from == silent || send.to == silent) continue;
      Actions out;
      auto& clearing = clearings[number(send.to)];
      ++messages;
      if (const auto* clear = std::get_if<Clear>(&send.message)) {
        REQUIRE(clearing.on_clear(from, *clear, now, out));
      } else {
        REQUIRE(clearing.on_cleared(from, std::get<Cleared>(send.message), out));
      }
      post(send.to, out);
    }
  }
  void front_ends_clear(std::optional<Rank> but = {}) {
    for (const auto& [rank, told] : std::exchange(front_ends, {})) {
      if (rank == but) continue;
      Actions out;
      clearings[number(rank)].on_front_end_cleared(told.number, out);
      post(rank, out);
    }
  }
  void time_passes(Duration duration) {
    now += duration;
    for (std::uint32_t n = 0; n < clearings.size(); ++n) {
      Actions out;
      clearings[n].on_time(now, out);
      post(Rank{n}, out);
    }
  }
  // A clear that has begun reaches everyone, all but one front end clear, and it is said who is missing. What
  // all front ends were told, for the one that comes late.
  auto come_to_the_look_without(Rank late) {
    deliver();
    const auto told = front_ends;
    front_ends_clear(late);
    deliver();
    time_passes(limits::clear_look);
    deliver();
    return told;
  }

  std::deque<NodeHarness> nodes;
  std::deque<Clearing> clearings;
  std::deque<std::pair<Rank, Send>> way;
  std::deque<std::pair<Rank, ClearFrontEnd>> front_ends;
  std::size_t messages = 0;
  Instant now{1s};

 private:
  void post(Rank from, const Actions& actions) {
    for (const auto& action : actions) {
      if (const auto* send = std::get_if<Send>(&action)) way.emplace_back(from, *send);
      if (const auto* front_end = std::get_if<ClearFrontEnd>(&action))
        front_ends.emplace_back(from, *front_end);
    }
  }
};

}  // namespace

TEST_CASE("every rank clears once, in every tree, whoever asks") {
  for (std::uint32_t ranks = 1; ranks <= 20; ++ranks)
    for (const Fanouts fanouts : {Fanouts{1, 2}, Fanouts{2, 2}, Fanouts{16, 2}})
      for (std::uint32_t trees = 1; trees <= 4; ++trees)
        for (std::uint32_t asker = 0; asker < ranks; ++asker) {
          const Topology topology(ranks, fanouts, trees);
          Job job(topology);
          const auto number = job.begin(asker);
          job.deliver();
          CHECK(job.front_ends.size() == ranks);
          CHECK_FALSE(job.clearings[asker].taken(job.now));
          job.front_ends_clear();
          job.deliver();
          const auto taken = job.clearings[asker].taken(job.now);
          REQUIRE(taken);
          CHECK(taken->number == number);
          CHECK(taken->clearance.ranks == ranks);
          CHECK_FALSE(taken->clearance.missing);
          std::size_t way = 0;  // of the asker, up each tree and down again
          for (std::uint32_t t = 0; t < trees; ++t) way += topology.depth(Rank{asker}, Tree{t});
          CHECK(job.messages == 2 * (trees * (ranks - 1) + way));
          for (const auto& clearing : job.clearings) CHECK_FALSE(clearing.deadline());
        }
}

TEST_CASE("a clear comes down from the root, also to the asker") {
  NodeHarness f(1, {7, {2, 2}, 1});
  f.ask(1, an_entry);
  f.message(0, answer(an_entry, "old"));
  Clearing clearing(f.node);
  Actions out;
  clearing.begin("/d", f.now, out);
  CHECK(f.node.store().ready(an_entry) != nullptr);  // it may still be asked for, and told to the children
  const auto clear = sent<Clear>(out, 0);
  CHECK(out.size() == 1);
  out.clear();
  CHECK(clearing.on_clear(Rank{0}, clear, f.now, out));
  CHECK(f.node.store().ready(an_entry) == nullptr);
  CHECK(sent<Clear>(out, 3, 0).path == "/d");
  CHECK(sent<Clear>(out, 4, 1).path == "/d");
  CHECK(action<ClearFrontEnd>(out, 2).path == "/d");
}

TEST_CASE("the front end is told when a clear has come down in all trees") {
  const Topology topology(5, {4, 2}, 2);
  NodeHarness f(4, topology);
  Clearing clearing(f.node);
  Actions out;
  REQUIRE(clearing.on_clear(*topology.parent(Rank{4}, Tree{0}), {{Rank{3}, 1}, Tree{0}, "/"}, f.now, out));
  CHECK(out.empty());
  REQUIRE(clearing.on_clear(*topology.parent(Rank{4}, Tree{1}), {{Rank{3}, 1}, Tree{1}, "/"}, f.now, out));
  const auto number = action<ClearFrontEnd>(out).number;
  out.clear();
  clearing.on_front_end_cleared(number, out);
  CHECK(out.size() == 2);
}

TEST_CASE("who is missing is named, and the clear completes when it comes after all") {
  for (const std::uint32_t asker : {0u, 6u}) {
    Job job(Topology(15, {2, 2}, 1));
    job.begin(asker);
    const auto late = job.come_to_the_look_without(Rank{9});
    CHECK_FALSE(job.clearings[asker].taken(job.now));
    job.time_passes(limits::clear_patience - limits::clear_look);
    const auto taken = job.clearings[asker].taken(job.now);
    REQUIRE(taken);
    CHECK(taken->clearance.ranks == 14);
    CHECK(taken->clearance.missing == Rank{9});
    job.front_ends = late;
    job.front_ends_clear();
    job.deliver();
    for (const auto& clearing : job.clearings) CHECK_FALSE(clearing.deadline());
  }
}

TEST_CASE("a rank that answers late completes a clear for which somebody still waits") {
  Job job(Topology(15, {2, 2}, 3));
  job.begin(6);
  const auto late = job.come_to_the_look_without(Rank{9});
  job.front_ends = late;
  job.front_ends_clear();
  job.deliver();
  const auto taken = job.clearings[6].taken(job.now);
  REQUIRE(taken);
  CHECK(taken->clearance.ranks == 15);
  CHECK_FALSE(taken->clearance.missing);
}

TEST_CASE("a silent rank costs those below it, is named, and is forgotten") {
  Job job(Topology(15, {2, 2}, 1));
  job.begin(6);
  job.deliver(Rank{1});
  job.front_ends_clear();
  job.deliver(Rank{1});
  job.time_passes(limits::clear_look);
  job.deliver(Rank{1});
  job.time_passes(limits::clear_patience - limits::clear_look);
  const auto taken = job.clearings[6].taken(job.now);
  REQUIRE(taken);
  CHECK(taken->clearance.ranks == 8);
  CHECK(taken->clearance.missing == Rank{1});
  job.time_passes(limits::clear_memory);
  for (const auto& clearing : job.clearings) CHECK_FALSE(clearing.deadline());
}

TEST_CASE("where the way up is silent, the parent is missing") {
  Job job(Topology(7, {2, 2}, 1));
  job.begin(6);
  job.deliver(Rank{2});
  job.time_passes(limits::clear_patience);
  const auto taken = job.clearings[6].taken(job.now);
  REQUIRE(taken);
  CHECK(taken->clearance.ranks == 0);
  CHECK(taken->clearance.missing == Rank{2});
}

TEST_CASE("a tree that comes down late is told to the front end then, the others in time") {
  const Topology topology(5, {4, 2}, 2);
  NodeHarness f(4, topology);
  Clearing clearing(f.node);
  Actions out;
  clearing.on_clear(*topology.parent(Rank{4}, Tree{0}), {{Rank{3}, 1}, Tree{0}, "/"}, f.now, out);
  clearing.on_time(f.now + limits::clear_look, out);
  const auto first = action<ClearFrontEnd>(out).number;
  out.clear();
  clearing.on_front_end_cleared(first, out);
  CHECK(out.empty());
  clearing.on_clear(*topology.parent(Rank{4}, Tree{1}), {{Rank{3}, 1}, Tree{1}, "/"}, f.now, out);
  const auto second = action<ClearFrontEnd>(out).number;
  out.clear();
  clearing.on_front_end_cleared(first, out);
  CHECK(out.empty());
  clearing.on_front_end_cleared(second, out);
  CHECK(out.size() == 2);
}

TEST_CASE("only neighbours clear, and nobody says it twice") {
  NodeHarness f(1, {7, {2, 2}, 1});
  Clearing clearing(f.node);
  Actions out;
  const JobRequest name{Rank{3}, 1};
  CHECK_FALSE(clearing.on_clear(Rank{2}, {name, first_tree, "/"}, f.now, out));           // no neighbour
  CHECK_FALSE(clearing.on_clear(Rank{99}, {name, first_tree, "/"}, f.now, out));          // no rank
  CHECK_FALSE(clearing.on_clear(Rank{0}, {{Rank{99}, 1}, first_tree, "/"}, f.now, out));  // of no rank
  CHECK_FALSE(clearing.on_clear(Rank{0}, {name, Tree{1}, "/"}, f.now, out));              // no tree
  CHECK(clearing.on_clear(Rank{3}, {name, first_tree, "/"}, f.now, out));
  CHECK_FALSE(clearing.on_clear(Rank{4}, {name, first_tree, "/"}, f.now, out));   // on its way already
  CHECK_FALSE(clearing.on_clear(Rank{0}, {name, first_tree, "/d"}, f.now, out));  // another path
  CHECK_FALSE(clearing.on_cleared(Rank{3}, {name, first_tree, 1}, out));          // not told yet
  CHECK(clearing.on_clear(Rank{0}, {name, first_tree, "/"}, f.now, out));
  CHECK_FALSE(clearing.on_clear(Rank{0}, {name, first_tree, "/"}, f.now, out));
  CHECK(clearing.on_cleared(Rank{3}, {name, first_tree, 1}, out));
  CHECK_FALSE(clearing.on_cleared(Rank{3}, {name, first_tree, 1}, out));
  CHECK(clearing.on_cleared(Rank{3}, {{Rank{3}, 7}, first_tree, 1}, out));  // forgotten
  CHECK_FALSE(clearing.on_cleared(Rank{0}, {name, first_tree, 1, Rank{99}}, out));
  CHECK(clearing.on_cleared(Rank{0}, {name, first_tree, 5, Rank{2}}, out));
  CHECK(sent<Cleared>(out, 3, out.size() - 1).ranks == 5);
}

TEST_CASE("a flood of clears is bounded") {
  NodeHarness f(1, {7, {2, 2}, 1});
  Clearing clearing(f.node);
  Actions out;
  for (std::uint64_t n = 0; n < 10 * limits::clears; ++n)
    CHECK(clearing.on_clear(Rank{0}, {{Rank{0}, n}, first_tree, "/"}, f.now, out));
  CHECK(out.size() == 3 * limits::clears);
  CHECK_FALSE(clearing.begin("/", f.now, out));
}

}  // namespace copper::test
