// The processes of a node, against a simulation of them that is slow and plain: nothing runs ahead.
#include "tree/simulation/replay/processes.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "tree/simulation/random.h"

namespace copper::simulation {
namespace {

using namespace std::chrono_literals;

// Each question takes a time that depends on who asks what, and is known at once or later.
class Elsewhere final : public Outside {
 public:
  Elsewhere(EventQueue& queue, std::uint64_t seed) : queue_(queue), seed_(seed) {}
  void answer_to(Processes& processes) { processes_ = &processes; }

  Duration takes(std::uint32_t process, std::uint32_t step) const {
    return Random(seed_ ^ process << 20 ^ step).between(1us, 500us);
  }
  std::optional<Instant> begin(std::uint32_t node, std::uint32_t process, std::uint32_t step) override {
    ++begun;
    const auto at = queue_.now() + takes(process, step);
    if (Random(seed_ + step).one_in(3)) return at;
    // Told at the end, or when half of the time is over.
    const auto told = Random(seed_ + step).one_in(2) ? at : queue_.now() + (at - queue_.now()) / 2;
    queue_.at(told, [this, node, process, at] { processes_->done(node, process, at); });
    return std::nullopt;
  }
  std::uint64_t begun = 0;

 private:
  EventQueue& queue_;
  std::uint64_t seed_;
  Processes* processes_ = nullptr;
};

// One node. One touch after the other, always the earliest; of equal ones the lowest process's.
Instant plain_finish(const std::vector<Step>& steps, const Job& job, const Elsewhere& elsewhere,
                     std::uint64_t& begun) {
  struct Touch {
    Instant at{};
    std::uint32_t step = 0;
  };
  std::vector<Touch> next(job.processes);
  Random random(job.seed);
  for (auto& touch : next) touch.at = Instant{} + random.between(0ns, job.skew) + steps[0].think;
  std::map<std::uint32_t, Instant> held;
  Instant finished{};
  for (;;) {
    auto first = next.end();
    for (auto touch = next.begin(); touch != next.end(); ++touch)
      if (touch->step < steps.size() && (first == next.end() || touch->at < first->at)) first = touch;
    if (first == next.end()) return finished;
    const auto number = first->step;
    const auto& step = steps[number];
    if (!step.own && held.contains(number)) {
      first->at = std::max(first->at + step.hit, held[number]);
    } else {
      first->at += step.cost;
      if (step.asks) {
        ++begun;
        first->at += elsewhere.takes(static_cast<std::uint32_t>(first - next.begin()), number);
      }
      if (!step.own) held[number] = first->at;
    }
    finished = std::max(finished, first->at);
    if (++first->step < steps.size()) first->at += steps[first->step].think;
  }
}

std::vector<Step> some_steps(std::uint64_t seed) {
  Random random(seed);
  std::vector<Step> steps;
  const auto own = 2 + random.below(10);
  const auto asks = 2 + random.below(10);
  for (std::uint64_t n = 1 + random.below(60); n > 0; --n)
    steps.push_back({.think = random.one_in(4) ? Duration::zero() : random.between(1ns, 300us),
                     .cost = random.between(1ns, 50us),
                     .hit = random.between(1ns, 20us),
                     .own = random.one_in(own),
                     .asks = random.one_in(asks)});
  return steps;
}

}  // namespace

TEST_CASE("running ahead of the queue changes nothing: as if the earliest touch always came first") {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    const auto steps = some_steps(seed);
    Random random(seed);
    const Job job{1, random.between(1u, 6u), random.between(0ns, 2ms), seed};
    EventQueue queue;
    Elsewhere elsewhere(queue, seed);
    Processes processes(steps, job, elsewhere, queue);
    elsewhere.answer_to(processes);
    processes.run([](double) {});
    std::uint64_t begun = 0;
    const auto finished = plain_finish(steps, job, elsewhere, begun);
    INFO("seed " << seed);
    REQUIRE((processes.finished() - finished).count() == 0);
    REQUIRE(elsewhere.begun == begun);
  }
}

TEST_CASE("a shared step is begun once by a node, one's own by each process") {
  const std::vector<Step> steps{{.think = 5us, .cost = 1us, .hit = 2us, .asks = true},
                                {.think = 5us, .cost = 1us, .own = true, .asks = true}};
  EventQueue queue;
  Elsewhere elsewhere(queue, 1);
  Processes processes(steps, {7, 12, 100us, 1}, elsewhere, queue);
  elsewhere.answer_to(processes);
  processes.run([](double) {});
  CHECK(elsewhere.begun == 7 * (1 + 12));
}

TEST_CASE("what nobody has to ask for takes no event") {
  const std::vector<Step> steps(1000, Step{.think = 5us, .cost = 10us, .hit = 2us});
  EventQueue queue;
  Elsewhere elsewhere(queue, 1);
  Processes processes(steps, {3, 12, 100us, 1}, elsewhere, queue);
  processes.run([](double) {});
  CHECK(queue.happened() == 0);
  CHECK(processes.finished() >= Instant{} + 1000 * 15us);
}

}  // namespace copper::simulation
