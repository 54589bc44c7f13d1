#include "tree/simulation/replay/without_ranks.h"

#include <deque>
#include <vector>

#include "tree/pace.h"
#include "tree/simulation/machine/storage_queues.h"
#include "tree/simulation/random.h"
#include "tree/simulation/replay/asking.h"
#include "tree/simulation/replay/processes.h"

namespace copper::simulation {
namespace {

constexpr std::uint32_t threads = 4;  // of a front end (fuse_frontend/worker.cpp)

class WithoutRanks final : Outside {
 public:
  WithoutRanks(const Workload& workload, const MachineProfile& machine, const Job& job)
      : asking_(workload, machine.node, job, Duration::zero()),
        storage_(machine.storage, job.nodes),
        processes_(asking_.steps(), job, *this, queue_) {
    Random random(job.seed);
    front_ends_.reserve(job.nodes);
    for (std::uint32_t node = 0; node < job.nodes; ++node) {
      const auto chance = static_cast<double>(random.below(1 << 20)) / (1 << 20);
      front_ends_.push_back({direct_pace(direct_per_second, job.nodes, chance, queue_.now()), {}, 0, false});
    }
  }

  Figures run(const Progress& progress) {
    processes_.run(progress);
    Figures figures;
    figures.finish = processes_.finished() - Instant{};
    figures.storage_operations = storage_.operations();
    figures.busiest_second = storage_.busiest_second();
    figures.storage_bytes = storage_.bytes();
    return figures;
  }

 private:
  struct FrontEnd {
    Pace pace;
    std::deque<std::uint32_t> line;  // processes
    std::uint32_t under_way = 0;
    bool called = false;  // when the pace allows the next
  };

  std::optional<Instant> begin(std::uint32_t node, std::uint32_t process, std::uint32_t step) override {
    asking_.begin(node, process, step);
    ask(node, process);
    return std::nullopt;
  }

  void ask(std::uint32_t node, std::uint32_t process) {
    front_ends_[node].line.push_back(process);
    go_on(node);
  }

  void go_on(std::uint32_t node) {
    auto& front_end = front_ends_[node];
    while (!front_end.line.empty() && front_end.under_way < threads && !front_end.called) {
      if (!front_end.pace.may(queue_.now())) {
        front_end.called = true;
        queue_.at(front_end.pace.due(queue_.now()), [this, node] {
          front_ends_[node].called = false;
          go_on(node);
        });
        return;
      }
      const auto process = front_end.line.front();
      front_end.line.pop_front();
      read(node, process);
    }
  }

  void read(std::uint32_t node, std::uint32_t process) {
    const auto& question = asking_.question(node, process);
    const auto operations = direct_operations(question.key.kind);
    auto& front_end = front_ends_[node];
    const auto now = queue_.now();
    front_end.pace.costs(operations, now);
    ++front_end.under_way;
    const bool bytes = question.key.kind == Kind::block;
    auto done = storage_.metadata(node, now, bytes ? operations - 1 : operations);
    if (bytes) done = std::max(done, storage_.data(node, now, question.bytes));
    queue_.at(done, [this, node, process] { replied(node, process); });
  }

  void replied(std::uint32_t node, std::uint32_t process) {
    --front_ends_[node].under_way;
    if (asking_.next(node, process)) return ask(node, process);
    processes_.done(node, process, queue_.now() + asking_.reply(processes_.step(node, process)));
    go_on(node);
  }

  Asking asking_;
  EventQueue queue_;
  StorageQueues storage_;
  Processes processes_;
  std::vector<FrontEnd> front_ends_;
};

}  // namespace

Figures without_ranks(const Workload& workload, const MachineProfile& machine, const Job& job,
                      const Progress& progress) {
  return WithoutRanks(workload, machine, job).run(progress);
}

}  // namespace copper::simulation
