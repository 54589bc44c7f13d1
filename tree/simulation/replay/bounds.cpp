#include "tree/simulation/replay/bounds.h"

#include <algorithm>
#include <bit>

namespace copper::simulation {
namespace {

constexpr std::uint64_t segment_bytes = std::uint64_t{256} << 10;

}  // namespace

Duration lower_bound(const Workload& workload, const MachineProfile& machine, std::uint32_t nodes) {
  const auto& objects = workload.objects();
  const auto& storage = machine.storage;
  const auto bytes = static_cast<double>(objects.bytes);
  const auto metadata = static_cast<double>(objects.metadata_operations);
  const auto reads = static_cast<double>(objects.reads);
  const auto client = (metadata * storage.metadata_us + reads * storage.data_us) / storage.client_operations;
  const auto reading =
      std::max({client, metadata * 1e6 / storage.metadata_per_s, reads * 1e6 / storage.reads_per_s,
                bytes / (std::min(storage.client_gb_per_s, storage.gb_per_s) * 1e3)});
  const auto network = nodes > 1 ? bytes / (machine.network.gb_per_s * 1e3) : 0.0;
  return microseconds(std::max(reading, network));
}

Duration two_tree(const Workload& workload, const MachineProfile& machine, std::uint32_t nodes) {
  if (nodes <= 1) return Duration::zero();
  const auto bytes = workload.objects().bytes;
  const auto segments = std::max<std::uint64_t>(1, (bytes + segment_bytes - 1) / segment_bytes);
  const auto depth = static_cast<std::uint64_t>(std::bit_width(nodes - 1));
  const auto segment = static_cast<double>(std::min(bytes, segment_bytes));
  const auto step = machine.network.latency_us + segment / (machine.network.gb_per_s * 1e3);
  return microseconds(step * static_cast<double>(segments + 2 * depth));
}

}  // namespace copper::simulation
