#include "tree/simulation/replay/asking.h"

namespace copper::simulation {

Asking::Asking(const Workload& workload, const NodeProfile& node, const Job& job, Duration to_ask)
    : workload_(workload),
      processes_(job.processes),
      half_(microseconds(node.request_us / 2) + to_ask),
      copy_ns_per_byte_(1 / node.copy_gb_per_s),
      places_(std::size_t{job.nodes} * job.processes) {
  for (const auto& request : workload.requests()) {
    const bool asks = request.questions > 0;
    steps_.push_back({.think = request.think,
                      .cost = asks ? half_ : microseconds(node.request_us),
                      .hit = microseconds(node.kernel_hit_us) + copy(request.bytes),
                      .own = request.own,
                      .asks = asks});
  }
}

void Asking::begin(std::uint32_t node, std::uint32_t process, std::uint32_t step) {
  const auto& request = workload_.requests()[step];
  at(node, process) = {request.first_question, request.first_question + request.questions};
}

const Workload::Question& Asking::question(std::uint32_t node, std::uint32_t process) const {
  return workload_.questions()[number(node, process)];
}

bool Asking::next(std::uint32_t node, std::uint32_t process) {
  auto& place = at(node, process);
  return ++place.question < place.end;
}

Duration Asking::reply(std::uint32_t step) const { return half_ + copy(workload_.requests()[step].bytes); }

Duration Asking::copy(std::uint32_t bytes) const {
  return Duration{static_cast<Duration::rep>(bytes * copy_ns_per_byte_)};
}

}  // namespace copper::simulation
