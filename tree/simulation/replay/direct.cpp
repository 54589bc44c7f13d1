#include "tree/simulation/replay/direct.h"

#include <optional>
#include <vector>

#include "tree/simulation/machine/storage_queues.h"
#include "tree/simulation/replay/processes.h"

namespace copper::simulation {
namespace {

class Direct final : Outside {
 public:
  Direct(const Workload& workload, const MachineProfile& machine, const Job& job)
      : storage_(machine.storage, job.nodes) {
    for (const auto& request : workload.requests()) add(request, machine.node);
    processes_.emplace(steps_, job, static_cast<Outside&>(*this), queue_);
  }

  Figures run(const Progress& progress) {
    processes_->run(progress);
    Figures figures;
    figures.finish = processes_->finished() - Instant{};
    figures.storage_operations = storage_.operations();
    figures.busiest_second = storage_.busiest_second();
    figures.storage_bytes = storage_.bytes();
    return figures;
  }

 private:
  void add(const Workload::Request& request, const NodeProfile& node) {
    const auto hit = microseconds(node.kernel_hit_us);
    auto think = request.think;
    if (request.opens) {
      steps_.push_back({.think = think, .cost = hit, .own = true, .asks = true});
      reads_.push_back({});
      think = Duration::zero();
    }
    const bool reads = request.op == TraceOp::read;
    const auto copied = microseconds(request.bytes / (node.copy_gb_per_s * 1e3));
    steps_.push_back({.think = think,
                      .cost = hit,
                      .hit = hit + copied,
                      .own = request.own,
                      .asks = request.op != TraceOp::ioctl && (!reads || request.bytes > 0)});
    reads_.push_back({reads, request.bytes, copied});
  }

  std::optional<Instant> begin(std::uint32_t node, std::uint32_t, std::uint32_t step) override {
    const auto& read = reads_[step];
    const auto now = queue_.now();
    return read.is ? storage_.data(node, now, read.bytes) + read.copied : storage_.metadata(node, now, 1);
  }

  struct Read {
    bool is = false;
    std::uint32_t bytes = 0;
    Duration copied{};
  };
  StorageQueues storage_;
  EventQueue queue_;
  std::vector<Step> steps_;
  std::vector<Read> reads_;  // by step
  std::optional<Processes> processes_;
};

}  // namespace

Figures direct(const Workload& workload, const MachineProfile& machine, const Job& job,
               const Progress& progress) {
  return Direct(workload, machine, job).run(progress);
}

}  // namespace copper::simulation
