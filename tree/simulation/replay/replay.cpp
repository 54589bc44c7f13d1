#include "tree/simulation/replay/replay.h"

#include <algorithm>
#include <vector>

#include "tree/simulation/failure.h"
#include "tree/simulation/machine/machine_world.h"
#include "tree/simulation/replay/processes.h"
#include "tree/simulation/simulation.h"

namespace copper::simulation {
namespace {

class Replay final : Application, Outside {
 public:
  Replay(const Workload& workload, const MachineProfile& machine, const ServiceSettings& service,
         const Job& job)
      : workload_(workload),
        job_(job),
        half_request_(microseconds(machine.node.request_us / 2)),
        ask_(microseconds(machine.node.ask_us)),
        copy_ns_per_byte_(1 / machine.node.copy_gb_per_s),
        steps_(steps(machine.node)),
        world_(machine.network, machine.storage, machine.node, job.nodes),
        storage_(workload),
        simulation_(Topology(job.nodes, service.fanouts, service.trees),
                    NodeOptions{service.store_bytes, service.publish}, world_, storage_, *this,
                    Detail::timing),
        processes_(steps_, job, *this, simulation_.queue()),
        asking_(std::size_t{job.nodes} * job.processes) {}

  Figures run(const Progress& progress) {
    processes_.run(progress);
    simulation_.check();

    Figures figures;
    figures.finish = processes_.finished() - Instant{};
    figures.storage_operations = world_.storage().operations();
    figures.busiest_second = world_.storage().busiest_second();
    figures.storage_bytes = world_.storage().bytes();
    Duration busiest{};
    for (std::uint32_t n = 0; n < job_.nodes; ++n) {
      const auto& labour = world_.labour(Rank{n});
      figures.network_bytes += labour.bytes_sent;
      figures.busiest_messages = std::max(figures.busiest_messages, labour.messages);
      busiest = std::max(busiest, labour.busy);
    }
    if (figures.finish > Duration::zero())
      figures.busiest_share =
          static_cast<double>(busiest.count()) / static_cast<double>(figures.finish.count());
    return figures;
  }

 private:
  // What a process waits for: the question, and the one after its request's last.
  struct Asking {
    std::uint32_t question = 0;
    std::uint32_t end = 0;
  };

  Duration copy(std::uint32_t bytes) const {
    return Duration{static_cast<Duration::rep>(bytes * copy_ns_per_byte_)};
  }
  std::vector<Step> steps(const NodeProfile& node) const {
    std::vector<Step> steps;
    for (const auto& request : workload_.requests()) {
      const bool asks = request.questions > 0;
      steps.push_back({.think = request.think,
                       .cost = asks ? half_request_ + ask_ / 2 : microseconds(node.request_us),
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
    const auto& question = workload_.questions()[asking(node, process).question];
    simulation_.ask(Rank{node}, Client{std::uint64_t{1} << 32 | process},
                    workload_.key(question, node, process), 0);
  }
  void on_reply(Rank rank, const Reply& reply) override {
    const auto node = number(rank);
    const auto process = static_cast<std::uint32_t>(static_cast<std::uint64_t>(reply.client));
    auto& asked = asking(node, process);
    const auto& question = workload_.questions()[asked.question];
    const auto& value = reply.outcome.value;
    expect(value.ok() ? question.error == 0 && value->size() >= question.bytes
                      : value.error() == Errno{question.error},
           "the answer is the trace's: " + std::to_string(asked.question));
    const auto replied = world_.done(rank);
    if (++asked.question < asked.end) {
      simulation_.queue().at(replied + ask_, [this, node, process] { ask(node, process); });
      return;
    }
    const auto bytes = workload_.requests()[processes_.step(node, process)].bytes;
    processes_.done(node, process, replied + ask_ / 2 + half_request_ + copy(bytes));
  }

  const Workload& workload_;
  Job job_;
  Duration half_request_;
  Duration ask_;
  double copy_ns_per_byte_;
  std::vector<Step> steps_;
  MachineWorld world_;
  TraceStorage storage_;
  Simulation simulation_;
  Processes processes_;
  std::vector<Asking> asking_;
};

}  // namespace

Figures replay(const Workload& workload, const MachineProfile& machine, const ServiceSettings& service,
               const Job& job, const Progress& progress) {
  return Replay(workload, machine, service, job).run(progress);
}

}  // namespace copper::simulation
