#include "tree/simulation/replay/without_ranks.h"

#include <deque>
#include <vector>

#include "tree/pace.h"
#include "tree/simulation/machine/storage_queues.h"
#include "tree/simulation/random.h"
#include "tree/simulation/replay/processes.h"

namespace copper::simulation {
namespace {

constexpr std::uint32_t threads = 4;  // of a front end (fuse_frontend/worker.cpp)

class WithoutRanks final : Outside {
 public:
  WithoutRanks(const Workload& workload, const MachineProfile& machine, const Job& job)
      : workload_(workload),
        job_(job),
        half_request_(microseconds(machine.node.request_us / 2)),
        copy_ns_per_byte_(1 / machine.node.copy_gb_per_s),
        steps_(steps(machine.node)),
        storage_(machine.storage, job.nodes),
        processes_(steps_, job, *this, queue_),
        asking_(std::size_t{job.nodes} * job.processes) {
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
  // What a process waits for: the question, and the one after its request's last.
  struct Asking {
    std::uint32_t question = 0;
    std::uint32_t end = 0;
  };
  struct FrontEnd {
    Pace pace;
    std::deque<std::uint32_t> line;  // processes
    std::uint32_t under_way = 0;
    bool called = false;  // when the pace allows the next
  };

  Duration copy(std::uint32_t bytes) const {
    return Duration{static_cast<Duration::rep>(bytes * copy_ns_per_byte_)};
  }
  std::vector<Step> steps(const NodeProfile& node) const {
    std::vector<Step> steps;
    for (const auto& request : workload_.requests()) {
      const bool asks = request.questions > 0;
      steps.push_back({.think = request.think,
                       .cost = asks ? half_request_ : microseconds(node.request_us),
                       .hit = microseconds(node.kernel_hit_us) + copy(request.bytes),
                       .own = request.own,
                       .asks = asks});
    }
    return steps;
  }
  Asking& asking(std::uint32_t node, std::uint32_t process) {
    return asking_[std::size_t{node} * job_.processes + process];
  }

  std::optional<Instant> begin(std::uint32_t node, std::uint32_t process, std::uint32_t step) override {
    const auto& request = workload_.requests()[step];
    asking(node, process) = {request.first_question, request.first_question + request.questions};
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
    const auto& question = workload_.questions()[asking(node, process).question];
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
    auto& asked = asking(node, process);
    if (++asked.question < asked.end) return ask(node, process);
    const auto bytes = workload_.requests()[processes_.step(node, process)].bytes;
    processes_.done(node, process, queue_.now() + half_request_ + copy(bytes));
    go_on(node);
  }

  const Workload& workload_;
  Job job_;
  Duration half_request_;
  double copy_ns_per_byte_;
  std::vector<Step> steps_;
  EventQueue queue_;
  StorageQueues storage_;
  Processes processes_;
  std::vector<Asking> asking_;
  std::vector<FrontEnd> front_ends_;
};

}  // namespace

Figures without_ranks(const Workload& workload, const MachineProfile& machine, const Job& job,
                      const Progress& progress) {
  return WithoutRanks(workload, machine, job).run(progress);
}

}  // namespace copper::simulation
