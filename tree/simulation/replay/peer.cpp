#include "tree/simulation/replay/peer.h"

#include <algorithm>
#include <vector>

#include "tree/simulation/machine/storage_queues.h"
#include "tree/simulation/random.h"
#include "tree/topology.h"

namespace copper::simulation {
namespace {

class Peer {
 public:
  Peer(const Workload& workload, const MachineProfile& machine, const PeerProfile& peer, const Job& job,
       Run run)
      : workload_(workload), machine_(machine), peer_(peer), job_(job), run_(run) {
    // The last rank is as deep as any.
    const auto depth =
        Topology(job.nodes, {.control = peer.fanout}, 1).depth(Rank{job.nodes - 1}, first_tree);
    has_.assign(depth + 1, std::vector<Instant>(workload.requests().size(), Instant::max()));
  }

  Figures figures() {
    Figures figures;
    Duration busiest{};
    for (std::uint32_t depth = 0; depth < has_.size(); ++depth) {
      const auto node = run_node(depth);
      figures.finish = std::max(figures.finish, node.finish - Instant{});
      busiest = std::max(busiest, node.busy);
    }
    for (const auto& request : workload_.requests()) count(request, figures);
    if (figures.finish > Duration::zero())
      figures.busiest_share =
          static_cast<double>(busiest.count()) / static_cast<double>(figures.finish.count());
    return figures;
  }

 private:
  struct Ran {
    Instant finish{};
    Duration busy{};
  };

  bool too_large(const Workload::Request& request) const {
    return request.op == TraceOp::read && workload_.size(request.path) > peer_.forwarded_bytes;
  }
  // Does the first process of a node that makes this request miss? A file comes with its first read.
  bool misses(const Workload::Request& request) const {
    if (run_ == Run::second || request.op == TraceOp::ioctl || request.op == TraceOp::statfs) return false;
    return request.op != TraceOp::read || (request.opens && !too_large(request));
  }
  std::uint64_t reads(const Workload::Request& request) const {
    return (std::uint64_t{request.bytes} + peer_.read_bytes - 1) / peer_.read_bytes;
  }
  std::uint64_t operations(const Workload::Request& request) const {
    std::uint64_t count = request.op == TraceOp::read ? std::max<std::uint64_t>(1, reads(request)) : 1;
    if (request.opens) count += 1 + peer_.getattrs_per_open;
    return count;
  }
  std::uint64_t object_bytes(const Workload::Request& request) const {
    return request.op == TraceOp::read ? workload_.size(request.path) : 0;
  }

  Duration storage_read(std::uint64_t bytes) const {
    const auto& storage = machine_.storage;
    return microseconds(2 * storage.metadata_us + storage.data_us +
                        static_cast<double>(bytes) / (storage.client_gb_per_s * 1e3));
  }
  // One FUSE read of a file that is not forwarded, while every node does the same.
  Duration large_read() const {
    const auto& storage = machine_.storage;
    const auto nodes = static_cast<double>(job_.nodes);
    const auto bytes = static_cast<double>(peer_.read_bytes);
    const auto shared = nodes * std::max({2e6 / storage.metadata_per_s, 1e6 / storage.reads_per_s,
                                          bytes / (storage.gb_per_s * 1e3)});
    return std::max(storage_read(peer_.read_bytes), microseconds(shared));
  }

  // A node of that depth wants the object of that request: when it has it.
  Instant fetch(std::uint32_t depth, std::size_t index, Instant asked) {
    auto& has = has_[depth][index];
    if (has <= asked) return asked;
    const auto& request = workload_.requests()[index];
    const auto bytes = object_bytes(request);
    if (depth == 0) {
      has = std::min(has, asked + (request.op == TraceOp::read ? storage_read(bytes)
                                                               : microseconds(machine_.storage.metadata_us)));
      return has;
    }
    const auto hop = microseconds(machine_.network.latency_us + machine_.node.message_us);
    const auto children = std::min(peer_.fanout, job_.nodes - 1);
    const auto forwarded = microseconds(
        children * (machine_.node.send_us + static_cast<double>(bytes) / (machine_.network.gb_per_s * 1e3)));
    has = std::min(has, fetch(depth - 1, index, asked + hop) + forwarded + hop);
    return has;
  }

  Ran run_node(std::uint32_t depth) {
    struct Process {
      Instant at{};
      std::size_t next = 0;
    };
    const auto& requests = workload_.requests();
    std::vector<Process> processes(job_.processes);
    Random random(job_.seed + depth);
    for (auto& process : processes)
      if (!requests.empty())
        process.at += random.between(Duration::zero(), job_.skew) + requests.front().think;
    Queue thread;
    std::vector<bool> read(requests.size());  // files that are not forwarded: by some process of this node
    Ran ran;
    for (;;) {
      Process* first = nullptr;
      for (auto& process : processes)
        if (process.next < requests.size() && (first == nullptr || process.at < first->at)) first = &process;
      if (first == nullptr) break;
      const auto& request = requests[first->next];
      const auto begins = std::max(first->at, thread.free());
      auto work = microseconds(peer_.operation_us * static_cast<double>(operations(request)));
      if (misses(request)) work += fetch(depth, first->next, begins) - begins;
      if (too_large(request) && !read[first->next]) {
        read[first->next] = true;
        work += large_read() * static_cast<Duration::rep>(reads(request));
      }
      ran.busy += work;
      first->at = thread.serve(first->at, work);
      ran.finish = std::max(ran.finish, first->at);
      if (++first->next < requests.size()) first->at += requests[first->next].think;
    }
    return ran;
  }

  // By all nodes together.
  void count(const Workload::Request& request, Figures& figures) const {
    if (misses(request)) {
      const std::uint64_t askers = request.own ? std::uint64_t{job_.nodes} * job_.processes : 1;
      const auto bytes = object_bytes(request);
      figures.storage_operations += askers * (request.op == TraceOp::read ? 3 : 1);
      figures.storage_bytes += askers * bytes;
      figures.network_bytes += (job_.nodes - 1) * bytes;
    }
    if (too_large(request)) {
      figures.storage_operations += 3 * std::uint64_t{job_.nodes} * reads(request);
      figures.storage_bytes += std::uint64_t{job_.nodes} * request.bytes;
    }
  }

  const Workload& workload_;
  const MachineProfile& machine_;
  const PeerProfile& peer_;
  const Job& job_;
  Run run_;
  std::vector<std::vector<Instant>> has_;  // by depth and request: when its service has the object
};

}  // namespace

Figures peer(const Workload& workload, const MachineProfile& machine, const PeerProfile& profile,
             const Job& job, Run run) {
  return Peer(workload, machine, profile, job, run).figures();
}

}  // namespace copper::simulation
