#include "tree/simulation/replay/processes.h"

#include <algorithm>

#include "tree/assert.h"
#include "tree/simulation/failure.h"
#include "tree/simulation/random.h"

namespace copper::simulation {
namespace {

constexpr std::uint64_t events_between_progress = 1 << 18;

}  // namespace

Processes::Processes(const std::vector<Step>& steps, const Job& job, Outside& outside, EventQueue& queue)
    : steps_(steps),
      job_(job),
      outside_(outside),
      queue_(queue),
      processes_(std::size_t{job.nodes} * job.processes),
      nodes_(job.nodes),
      running_(processes_.size()) {}

void Processes::run(const Progress& progress) {
  if (steps_.empty()) return;
  Random random(job_.seed);
  for (auto& process : processes_)
    process.at = queue_.now() + random.between(Duration::zero(), job_.skew) + steps_.front().think;
  for (std::uint32_t node = 0; node < job_.nodes; ++node) advance(node);
  while (queue_.step())
    if (queue_.happened() % events_between_progress == 0)
      progress(static_cast<double>(passed_) / static_cast<double>(processes_.size() * steps_.size()));
  expect(running_ == 0, "each process gets through the trace");
}

void Processes::pass(Process& process, Instant at) {
  ++passed_;
  process.state = State::going;
  if (++process.step < steps_.size()) {
    process.at = at + steps_[process.step].think;
    return;
  }
  process.state = State::over;
  --running_;
  finished_ = std::max(finished_, at);
}

std::vector<Processes::Recent>::iterator Processes::place(Node& node, std::uint32_t step) {
  return std::lower_bound(node.recent.begin(), node.recent.end(), step,
                          [](const auto& recent, std::uint32_t s) { return recent.step < s; });
}

void Processes::touched(Node& node, std::uint32_t step, Instant done, Instant earliest) {
  node.frontier = std::max(node.frontier, step + 1);
  // Nobody comes before `earliest` any more.
  if (node.recent.size() >= 8) std::erase_if(node.recent, [&](const auto& r) { return r.done <= earliest; });
  node.recent.insert(place(node, step), {step, done});
}

void Processes::call(std::uint32_t node, Instant at) {
  if (nodes_[node].called <= at) return;
  nodes_[node].called = at;
  queue_.at(at, [this, node] {
    if (nodes_[node].called > queue_.now()) return;  // has been called before
    nodes_[node].called = Instant::max();
    advance(node);
  });
}

void Processes::advance(std::uint32_t number) {
  auto& node = nodes_[number];
  const auto now = queue_.now();
  for (;;) {
    Process* first = nullptr;
    for (std::uint32_t p = 0; p < job_.processes; ++p) {
      auto& process = processes(number)[p];
      if (process.state == State::going && (first == nullptr || process.at < first->at)) first = &process;
    }
    if (first == nullptr) return;
    const auto& step = steps_[first->step];

    if (!step.own && first->step < node.frontier) {
      if (std::find(node.under_way.begin(), node.under_way.end(), first->step) != node.under_way.end()) {
        first->state = State::waiting;
        first->began = false;
        ++node.waiting;
        continue;
      }
      const auto recent = place(node, first->step);
      auto at = first->at + step.hit;
      if (recent != node.recent.end() && recent->step == first->step) at = std::max(at, recent->done);
      pass(*first, at);
      continue;
    }

    // To be touched first. Nobody can come before it, except one who waits for the outside: then its own time
    // decides.
    if (!step.own && node.waiting > 0 && first->at > now) return call(number, first->at);
    const auto done_or_begun = first->at + step.cost;
    if (!step.asks) {
      if (!step.own)
        touched(node, first->step, done_or_begun, node.waiting > 0 ? std::min(now, first->at) : first->at);
      pass(*first, done_or_begun);
      continue;
    }
    first->state = State::waiting;
    first->began = true;
    ++node.waiting;
    if (!step.own) {
      node.frontier = first->step + 1;
      node.under_way.push_back(first->step);
    }
    const auto process = static_cast<std::uint32_t>(first - processes(number));
    queue_.at(std::max(now, done_or_begun), [this, number, process] { begin(number, process); });
  }
}

void Processes::begin(std::uint32_t node, std::uint32_t process) {
  const auto at = outside_.begin(node, process, processes(node)[process].step);
  if (at) done(node, process, *at);
}

void Processes::done(std::uint32_t number, std::uint32_t process, Instant at) {
  auto& node = nodes_[number];
  auto& starter = processes(number)[process];
  ensure(starter.state == State::waiting && starter.began, "only what has begun is done");
  const auto index = starter.step;
  const auto& step = steps_[index];
  --node.waiting;
  pass(starter, at);
  if (!step.own) {
    std::erase(node.under_way, index);
    if (at > queue_.now()) touched(node, index, at, queue_.now());
    for (std::uint32_t p = 0; p < job_.processes; ++p) {
      auto& other = processes(number)[p];
      if (other.state != State::waiting || other.began || other.step != index) continue;
      --node.waiting;
      pass(other, std::max(other.at + step.hit, at));
    }
  }
  advance(number);
}

}  // namespace copper::simulation
