// See rank_profile.h.
#include "service/outputs/rank_profile.h"

#include <algorithm>
#include <numeric>

#include "service/outputs/columns.h"

namespace copper {
namespace {

using segment::FuseCounter;

std::uint64_t loads(const Counters& counters) {
  return counters[Counter::loads_listing] + counters[Counter::loads_entry] + counters[Counter::loads_block] +
         counters[Counter::loads_filesystem] - counters[Counter::loads_known];
}

std::uint64_t count_of(const segment::Header& header, FuseCounter counter) {
  return header.fuse_counters[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
}

Latencies copy_of(const segment::SharedLatencies& shared) {
  constexpr auto relaxed = std::memory_order_relaxed;
  Latencies latencies{.errors = shared.errors.load(relaxed),
                      .bytes = shared.bytes.load(relaxed),
                      .total_us = shared.total_us.load(relaxed),
                      .max_us = shared.max_us.load(relaxed)};
  for (std::size_t b = 0; b < Latencies::buckets; ++b) latencies.took[b] = shared.took[b].load(relaxed);
  return latencies;
}

std::uint64_t microseconds(Duration duration) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(duration / std::chrono::microseconds{1}, 0));
}

}  // namespace

RankProfile::RankProfile(const Sources& sources, Instant started, Instant registered, std::size_t paths)
    : sources_(sources), started_(started), registered_(registered), paths_(paths) {}

Timing RankProfile::timing(const Node& node) const {
  Timing timing{
      .rank = node.self(), .registered_us = microseconds(registered_ - started_), .first_answer_us = {}};
  if (const auto& first = node.first_answer()) {
    timing.first_answer_us = microseconds(first->when - started_);
    timing.first_answer = first->kind;
  }
  return timing;
}

std::vector<Latencies> RankProfile::operations() const {
  std::vector<Latencies> list(segment::fuse_operation_count);
  for (const auto& lane : sources_.segment.header().fuse_latencies)
    for (std::size_t i = 0; i < list.size(); ++i) list[i].add(copy_of(lane.operations[i]));
  const auto& asked = sources_.clients.latencies();
  list.insert(list.end(), asked.begin(), asked.end());
  const auto& loaded = sources_.storage.latencies();
  list.insert(list.end(), loaded.begin(), loaded.end());
  return list;
}

// Storage is asked by the rank, and by the front end for large files and where the rank is dead.
Activity RankProfile::activity(const Node& node) const {
  const auto& header = sources_.segment.header();
  const auto& counters = node.counters();
  Activity all{
      .storage_reads = loads(counters) + count_of(header, FuseCounter::fuse_direct) +
                       count_of(header, FuseCounter::fuse_large_loads),
      .storage_bytes = counters[Counter::bytes_loaded] + count_of(header, FuseCounter::fuse_large_bytes),
      .client_asks = counters[Counter::client_asks],
      .client_hits = counters[Counter::client_hits]};
  const auto taken = operations();
  for (std::size_t i = 0; i < segment::fuse_operation_count; ++i)
    all.front_end_operations += taken[i].count();
  return all;
}

void RankProfile::look(const Node& node, Instant now) {
  const auto all = activity(node);
  const auto second = static_cast<std::uint64_t>((now - started_) / std::chrono::seconds{1});
  activities_.add(second, all - seen_);
  seen_ = all;
}

Profile RankProfile::profile(Scope scope, const Node& node, Instant now) {
  Profile profile(paths_);
  profile.timings.push_back(timing(node));
  if (scope == Scope::timings) return profile;
  look(node, now);
  profile.timeline = activities_;
  const auto self = node.self();
  const auto& counters = node.counters();
  for (const auto& value : sources_.segment.header().fuse_counters)
    profile.counters.push_back(Spread::of(value.load(std::memory_order_relaxed), self));
  for (const auto value : counters.values()) profile.counters.push_back(Spread::of(value, self));
  profile.operations = operations();
  for (const auto& path : node.paths().all()) profile.add(path);
  profile.paths_left_out = node.paths().left_out();
  profile.loads.push_back({.rank = self,
                           .messages_sent = counters[Counter::messages_sent],
                           .bytes_sent = counters[Counter::bytes_sent],
                           .bytes_received = counters[Counter::bytes_received],
                           .storage_reads = loads(counters),
                           .cache_bytes = node.store().bytes(),
                           .cache_budget = sources_.arena.budget()});
  return profile;
}

}  // namespace copper
