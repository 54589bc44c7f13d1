// A portion: which part of the profile, how many entries, the index of the first, how wide a row of the time
// line is (0 in other parts); the entries. Fixed-width integers (tree/wire.h).
#include "tree/profile/profile.h"

#include <algorithm>
#include <tuple>

#include "tree/limits.h"
#include "tree/wire.h"

namespace copper {
namespace {

enum class Part : std::uint8_t {
  counters = 1,
  operations = 2,
  timeline = 3,
  paths = 4,
  loads = 5,
  timings = 6,
  losses = 7
};

constexpr std::size_t head_bytes = 1 + 2 + 4 + 8;
constexpr std::size_t path_bytes = 1 + 2 + 5 * 8;
constexpr std::uint64_t width_max = std::uint64_t{1} << 40;  // seconds
constexpr std::uint64_t no_answer = UINT64_MAX;

static_assert(head_bytes + path_bytes + limits::path_bytes <= limits::portion_bytes, "any path fits");

void put(WireWriter& out, const Spread& spread) {
  for (const auto n : {spread.sum, spread.ranks, spread.min, spread.max}) out.put(n);
  out.put(number(spread.max_rank));
}
void get(WireReader& in, Spread& spread) {
  for (auto* n : {&spread.sum, &spread.ranks, &spread.min, &spread.max}) *n = in.get<std::uint64_t>();
  spread.max_rank = Rank{in.get<std::uint32_t>()};
}
void put(WireWriter& out, const Latencies& latencies) {
  for (const auto n : {latencies.errors, latencies.bytes, latencies.total_us, latencies.max_us}) out.put(n);
  for (const auto n : latencies.took) out.put(n);
}
void get(WireReader& in, Latencies& latencies) {
  for (auto* n : {&latencies.errors, &latencies.bytes, &latencies.total_us, &latencies.max_us})
    *n = in.get<std::uint64_t>();
  for (auto& n : latencies.took) n = in.get<std::uint64_t>();
}
void put(WireWriter& out, const Activity& row) {
  for (const auto n :
       {row.storage_reads, row.storage_bytes, row.front_end_operations, row.client_asks, row.client_hits})
    out.put(n);
}
void get(WireReader& in, Activity& row) {
  for (auto* n : {&row.storage_reads, &row.storage_bytes, &row.front_end_operations, &row.client_asks,
                  &row.client_hits})
    *n = in.get<std::uint64_t>();
}
void put(WireWriter& out, const CountedPath& path) {
  out.put(static_cast<std::uint8_t>(path.asked.kind));
  out.put(static_cast<std::uint16_t>(path.asked.path.size()));
  out.put(std::string_view(path.asked.path));
  const auto& count = path.count;
  for (const auto n : {count.asks, count.hits, count.loads, count.bytes, count.absent}) out.put(n);
}
void get(WireReader& in, CountedPath& path) {
  path.asked.kind = static_cast<Kind>(in.get<std::uint8_t>());
  path.asked.path = in.take_text(in.get<std::uint16_t>());
  auto& count = path.count;
  for (auto* n : {&count.asks, &count.hits, &count.loads, &count.bytes, &count.absent})
    *n = in.get<std::uint64_t>();
  in.demand(path.asked.kind >= Kind::listing && path.asked.kind <= Kind::filesystem &&
            valid_path(path.asked.path));
}
void put(WireWriter& out, const RankLoad& load) {
  out.put(number(load.rank));
  for (const auto n : {load.messages_sent, load.bytes_sent, load.bytes_received, load.storage_reads,
                       load.cache_bytes, load.cache_budget})
    out.put(n);
}
void get(WireReader& in, RankLoad& load) {
  load.rank = Rank{in.get<std::uint32_t>()};
  for (auto* n : {&load.messages_sent, &load.bytes_sent, &load.bytes_received, &load.storage_reads,
                  &load.cache_bytes, &load.cache_budget})
    *n = in.get<std::uint64_t>();
}
void put(WireWriter& out, const Timing& timing) {
  out.put(number(timing.rank));
  out.put(timing.registered_us);
  out.put(timing.first_answer_us.value_or(no_answer));
  out.put(static_cast<std::uint8_t>(timing.first_answer));
}
void get(WireReader& in, Timing& timing) {
  timing.rank = Rank{in.get<std::uint32_t>()};
  timing.registered_us = in.get<std::uint64_t>();
  if (const auto us = in.get<std::uint64_t>(); us != no_answer) timing.first_answer_us = us;
  timing.first_answer = static_cast<Kind>(in.get<std::uint8_t>());
  in.demand(!timing.first_answer_us ||
            (timing.first_answer >= Kind::listing && timing.first_answer <= Kind::filesystem));
}

// As many portions as the entries take.
template <class Entries>
void pack(std::vector<std::vector<std::byte>>& portions, Part part, const Entries& entries,
          std::uint64_t width = 0) {
  std::vector<std::byte> entry;
  std::vector<std::byte> body;
  std::uint16_t count = 0;
  std::uint32_t first = 0;
  const auto close = [&] {
    if (count == 0) return;
    std::vector<std::byte> portion;
    WireWriter head(portion);
    head.put(static_cast<std::uint8_t>(part));
    head.put(count);
    head.put(first);
    head.put(width);
    head.put(std::span<const std::byte>(body));
    portions.push_back(std::move(portion));
    first += count;
    count = 0;
    body.clear();
  };
  for (const auto& each : entries) {
    entry.clear();
    WireWriter writer(entry);
    put(writer, each);
    if (head_bytes + body.size() + entry.size() > limits::portion_bytes) close();
    body.insert(body.end(), entry.begin(), entry.end());
    ++count;
  }
  close();
}

template <class Entry>
std::vector<Entry> unpack(WireReader& in, std::uint16_t count) {
  std::vector<Entry> entries;
  for (std::uint16_t n = 0; n < count && in.ok(); ++n) get(in, entries.emplace_back());
  in.demand(in.at_end());
  return entries;
}

bool busier(const RankLoad& a, const RankLoad& b) {
  return std::tuple(b.bytes_sent, b.messages_sent, number(a.rank)) <
         std::tuple(a.bytes_sent, a.messages_sent, number(b.rank));
}

bool earlier_rank(const Timing& a, const Timing& b) { return number(a.rank) < number(b.rank); }

}  // namespace

void Spread::add(const Spread& other) {
  if (other.ranks == 0) return;
  if (ranks == 0) {
    *this = other;
    return;
  }
  if (other.max > max || (other.max == max && number(other.max_rank) < number(max_rank)))
    max_rank = other.max_rank;
  sum += other.sum;
  ranks += other.ranks;
  min = std::min(min, other.min);
  max = std::max(max, other.max);
}

Profile Profile::empty() const {
  Profile profile(path_bound_);
  profile.counters.resize(counters.size());
  profile.operations.resize(operations.size());
  return profile;
}

void Profile::add(const CountedPath& path) { paths_[path.asked].add(path.count); }

void Profile::add(const Profile& other) {
  counters.resize(std::max(counters.size(), other.counters.size()));
  for (std::size_t i = 0; i < other.counters.size(); ++i) counters[i].add(other.counters[i]);
  operations.resize(std::max(operations.size(), other.operations.size()));
  for (std::size_t i = 0; i < other.operations.size(); ++i) operations[i].add(other.operations[i]);
  timeline.add(other.timeline);
  for (const auto& path : other.paths()) add(path);
  loads.insert(loads.end(), other.loads.begin(), other.loads.end());
  keep_busiest();
  timings.insert(timings.end(), other.timings.begin(), other.timings.end());
  std::ranges::sort(timings, earlier_rank);
  paths_left_out += other.paths_left_out;
  portions_lost += other.portions_lost;
}

void Profile::keep_busiest() {
  std::ranges::sort(loads, busier);
  loads.resize(std::min(loads.size(), loads_max));
}

std::uint64_t Profile::left_out() const {
  return paths_left_out + (paths_.size() - std::min(paths_.size(), path_bound_));
}

std::vector<CountedPath> Profile::paths() const {
  std::vector<CountedPath> list;
  list.reserve(paths_.size());
  for (const auto& [asked, count] : paths_) list.push_back({asked, count});
  std::ranges::sort(list, before);
  if (list.size() > path_bound_) list.resize(path_bound_);
  return list;
}

std::vector<std::vector<std::byte>> Profile::portions() const {
  std::vector<std::vector<std::byte>> portions;
  pack(portions, Part::counters, counters);
  pack(portions, Part::operations, operations);
  pack(portions, Part::timeline, timeline.rows(), timeline.width());
  const auto kept = paths();
  pack(portions, Part::paths, kept);
  pack(portions, Part::loads, loads);
  pack(portions, Part::timings, timings);
  if (left_out() == 0 && portions_lost == 0) return portions;
  std::vector<std::byte> losses;
  WireWriter out(losses);
  out.put(static_cast<std::uint8_t>(Part::losses));
  out.put(left_out());
  out.put(portions_lost);
  portions.push_back(std::move(losses));
  return portions;
}

bool Profile::add_portion(std::span<const std::byte> bytes, std::uint32_t ranks) {
  WireReader in(bytes);
  const auto part = static_cast<Part>(in.get<std::uint8_t>());
  if (part == Part::losses) {
    const auto left_out = in.get<std::uint64_t>();
    const auto lost = in.get<std::uint64_t>();
    if (!in.at_end()) return false;
    paths_left_out += left_out;
    portions_lost += lost;
    return true;
  }
  const auto count = in.get<std::uint16_t>();
  const std::size_t first = in.get<std::uint32_t>();
  const auto width = in.get<std::uint64_t>();
  const auto known = [ranks](Rank rank) { return number(rank) < ranks; };
  switch (part) {
    case Part::counters: {
      const auto entries = unpack<Spread>(in, count);
      if (!in.ok() || first + entries.size() > counters.size()) return false;
      if (!std::ranges::all_of(entries, [&](const auto& spread) { return known(spread.max_rank); }))
        return false;
      for (std::size_t i = 0; i < entries.size(); ++i) counters[first + i].add(entries[i]);
      return true;
    }
    case Part::operations: {
      const auto entries = unpack<Latencies>(in, count);
      if (!in.ok() || first + entries.size() > operations.size()) return false;
      for (std::size_t i = 0; i < entries.size(); ++i) operations[first + i].add(entries[i]);
      return true;
    }
    case Part::timeline: {
      const auto rows = unpack<Activity>(in, count);
      in.demand(first + count <= Activities::rows_max && std::has_single_bit(width) && width <= width_max);
      if (!in.ok()) return false;
      timeline.widen(width);
      for (std::size_t i = 0; i < rows.size(); ++i) timeline.add((first + i) * width, rows[i]);
      return true;
    }
    case Part::paths: {
      const auto entries = unpack<CountedPath>(in, count);
      if (!in.ok()) return false;
      for (const auto& path : entries) add(path);
      return true;
    }
    case Part::loads: {
      const auto entries = unpack<RankLoad>(in, count);
      if (!in.ok() || !std::ranges::all_of(entries, known, &RankLoad::rank)) return false;
      loads.insert(loads.end(), entries.begin(), entries.end());
      keep_busiest();
      return true;
    }
    case Part::timings: {
      const auto entries = unpack<Timing>(in, count);
      if (!in.ok() || !std::ranges::all_of(entries, known, &Timing::rank)) return false;
      timings.insert(timings.end(), entries.begin(), entries.end());
      std::ranges::sort(timings, earlier_rank);
      return true;
    }
    case Part::losses:
      break;
  }
  return false;
}

}  // namespace copper
