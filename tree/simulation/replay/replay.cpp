#include "tree/simulation/replay/replay.h"

#include <algorithm>
#include <vector>

#include "tree/simulation/failure.h"
#include "tree/simulation/machine/machine_world.h"
#include "tree/simulation/replay/asking.h"
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
        ask_(microseconds(machine.node.ask_us)),
        asking_(workload, machine.node, job, ask_ / 2),
        world_(machine.network, machine.storage, machine.node, job.nodes),
        storage_(workload),
        simulation_(Topology(job.nodes, service.fanouts, service.trees),
                    NodeOptions{service.store_bytes, service.publish}, world_, storage_, *this,
                    Detail::timing),
        processes_(asking_.steps(), job, *this, simulation_.queue()) {}

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
  std::optional<Instant> begin(std::uint32_t node, std::uint32_t process, std::uint32_t step) override {
    asking_.begin(node, process, step);
    ask(node, process);
    return std::nullopt;
  }
  void ask(std::uint32_t node, std::uint32_t process) {
    simulation_.ask(Rank{node}, Client{std::uint64_t{1} << 32 | process},
                    workload_.key(asking_.question(node, process), node, process), 0);
  }
  void on_reply(Rank rank, const Reply& reply) override {
    const auto node = number(rank);
    const auto process = static_cast<std::uint32_t>(static_cast<std::uint64_t>(reply.client));
    const auto& question = asking_.question(node, process);
    const auto& value = reply.outcome.value;
    expect(value.ok() ? question.error == 0 && value->size() >= question.bytes
                      : value.error() == Errno{question.error},
           "the answer is the trace's: " + std::to_string(asking_.number(node, process)));
    const auto replied = world_.done(rank);
    if (asking_.next(node, process)) {
      simulation_.queue().at(replied + ask_, [this, node, process] { ask(node, process); });
      return;
    }
    processes_.done(node, process, replied + asking_.reply(processes_.step(node, process)));
  }

  const Workload& workload_;
  Job job_;
  Duration ask_;
  Asking asking_;
  MachineWorld world_;
  TraceStorage storage_;
  Simulation simulation_;
  Processes processes_;
};

}  // namespace

Figures replay(const Workload& workload, const MachineProfile& machine, const ServiceSettings& service,
               const Job& job, const Progress& progress) {
  return Replay(workload, machine, service, job).run(progress);
}

}  // namespace copper::simulation
