#include "tree/simulation/machine/machine_world.h"

#include <algorithm>
#include <cmath>

#include "tree/idle_policy.h"
#include "tree/limits.h"

namespace copper::simulation {
namespace {

// A name with its attributes in a listing takes about so many bytes (service/storage/listing.h), its own
// attributes besides the longest part.
constexpr std::size_t bytes_per_name = 128;

// The instants, counted from its last work, at which an idle rank looks until its sleeps are longest.
std::vector<Duration> first_looks() {
  std::vector<Duration> looks{idle_policy::spin_time};
  for (auto sleep = Duration::zero(); sleep < idle_policy::longest_sleep;) {
    sleep = idle_policy::sleep_after(looks.back());
    looks.push_back(looks.back() + sleep);
  }
  return looks;
}

// The first of first, first + step, ... that is not before `waited`.
Duration next(Duration first, Duration step, Duration waited) {
  if (waited <= first) return first;
  return first + (waited - first + step - Duration{1}) / step * step;
}

}  // namespace

Instant sees(Instant active, Instant came) {
  static const auto looks = first_looks();
  if (came <= active) return active;
  const auto waited = came - active;
  if (waited < idle_policy::spin_time) return came;
  if (waited <= looks.back()) return active + *std::lower_bound(looks.begin(), looks.end(), waited);
  // The last sleep of the longer kind begins at idle_after at the latest.
  const auto slow_from =
      next(looks.back(), idle_policy::longest_sleep, idle_policy::idle_after + Duration{1});
  if (waited <= slow_from) return active + next(looks.back(), idle_policy::longest_sleep, waited);
  return active + next(slow_from, idle_policy::idle_sleep, waited);
}

std::uint64_t metadata_operations(const Key& key, std::size_t bytes, bool found) {
  switch (key.kind) {
    case Kind::listing: {  // opened and read; and each name looked at where attributes ride along
      if (!found || key.block > 0) return 1;
      const auto names = bytes / bytes_per_name;
      return 2 + (names <= limits::attributes_ride_along_entries ? names : 0);
    }
    case Kind::block:  // opened once, then its descriptor is kept
      return key.block == 0 ? 1 : 0;
    case Kind::entry:
    case Kind::filesystem:
      break;
  }
  return 1;
}

MachineWorld::MachineWorld(const NetworkProfile& network, const StorageProfile& storage,
                           const NodeProfile& node, std::uint32_t nodes)
    : latency_(microseconds(network.latency_us)),
      ns_per_byte_(1 / network.gb_per_s),
      costs_{microseconds(node.message_us), microseconds(node.question_us), microseconds(node.loaded_us),
             microseconds(node.message_us)},
      checksum_ns_per_byte_(1 / node.checksum_gb_per_s),
      send_(microseconds(node.send_us)),
      doorbell_(microseconds(node.doorbell_us)),
      storage_(storage, nodes),
      ranks_(nodes) {}

Duration MachineWorld::wire(std::size_t bytes) const {
  return Duration{std::llround(static_cast<double>(bytes) * ns_per_byte_)};
}

void MachineWorld::works(State& rank, Duration cost, Instant now) {
  rank.done = std::max(rank.done, now) + cost;
  rank.labour.busy += cost;
}

Instant MachineWorld::arrives(Rank from, Rank, std::size_t bytes, Instant sent) {
  auto& rank = ranks_[number(from)];
  works(rank, send_, sent);
  ++rank.labour.messages;
  rank.labour.bytes_sent += bytes;
  return rank.out.serve(rank.done, wire(bytes)) + latency_;
}

Instant MachineWorld::received(Rank to, std::size_t bytes, Instant arrived) {
  return ranks_[number(to)].in.overlap(arrived, wire(bytes));
}

Instant MachineWorld::looks(Rank by, const Load&, Instant asked) { return std::max(asked, done(by)); }

Instant MachineWorld::loads(Rank by, const Loaded& loaded, Instant looked) {
  const auto bytes = loaded.value.ok() ? loaded.value->size() : 0;
  auto done = looked;
  if (const auto operations = metadata_operations(loaded.key, bytes, loaded.value.ok()))
    done = storage_.metadata(number(by), looked, operations);
  // The read waits for the open; the queue is told now, so that it is asked in the order of time.
  if (loaded.key.kind == Kind::block && loaded.value.ok())
    done = std::max(storage_.data(number(by), looked, bytes) + (done - looked), done);
  return done;
}

Instant MachineWorld::wakes(Rank rank, Cause cause, Instant happened) {
  const auto& state = ranks_[number(rank)];
  if (state.done >= happened) return state.done;
  if (happened - state.done < idle_policy::spin_time) return happened;
  if (cause == Cause::bulk || state.out.free() > happened) return happened;
  const auto looks = sees(state.done, happened);
  return cause == Cause::doorbell ? std::min(looks, happened + doorbell_) : looks;
}

void MachineWorld::takes(Rank rank, Work work, std::size_t bytes, Instant now) {
  auto& state = ranks_[number(rank)];
  const auto checksum = Duration{std::llround(static_cast<double>(bytes) * checksum_ns_per_byte_)};
  works(state, costs_[static_cast<std::size_t>(work)] + checksum, now);
  if (work == Work::message) ++state.labour.messages;
}

}  // namespace copper::simulation
