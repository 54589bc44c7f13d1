#include "tree/job/census.h"

#include <algorithm>
#include <utility>

#include "tree/limits.h"

namespace copper {

CensusTaker::CensusTaker(Rank self, const Topology& topology)
    : self_(self),
      topology_(topology),
      neighbours_(topology.children(self, first_tree)),
      hops_max_(2 * topology.depth(Rank{topology.ranks() - 1}, first_tree)) {
  if (const auto parent = topology.parent(self, first_tree)) neighbours_.push_back(*parent);
}

bool CensusTaker::is_neighbour(Rank rank) const {
  return std::find(neighbours_.begin(), neighbours_.end(), rank) != neighbours_.end();
}

Duration CensusTaker::patience(std::uint32_t hops) const {
  return Duration{limits::census_patience} * (hops_max_ + 1 - hops) / (hops_max_ + 1);
}

std::uint64_t CensusTaker::begin(Scope scope, const Own& own, Instant now, Actions& out) {
  const JobRequest name{self_, ++last_number_};
  spread({name, scope, 0}, {.told_by = std::nullopt, .sum = own(scope), .due = now + patience(0)}, out);
  return name.number;
}

bool CensusTaker::on_count(Rank from, const Count& message, const Own& own, Instant now, Actions& out) {
  const auto& name = message.census;
  if (!is_neighbour(from) || !topology_.contains(name.asker) || name.asker == self_) return false;
  if (message.hops < 1 || message.hops > hops_max_ || under_way_.contains(name)) return false;
  if (under_way_.size() >= limits::censuses) return true;
  spread(message, {.told_by = from, .sum = own(message.scope), .due = now + patience(message.hops)}, out);
  return true;
}

void CensusTaker::spread(const Count& count, UnderWay census, Actions& out) {
  for (const auto neighbour : neighbours_) {
    if (neighbour == census.told_by) continue;
    census.awaited.emplace(neighbour, Answering{0, census.sum.profile.empty()});
    out.push_back(Send{neighbour, Count{count.census, count.scope, count.hops + 1}});
  }
  if (census.told_by && census.awaited.empty()) {
    finish(count.census, census, out);
  } else {
    under_way_.emplace(count.census, std::move(census));
  }
}

bool CensusTaker::on_portion(Rank from, const Portion& message) {
  if (!is_neighbour(from)) return false;
  const auto found = under_way_.find(message.census);
  if (found == under_way_.end()) return true;
  const auto awaited = found->second.awaited.find(from);
  if (awaited == found->second.awaited.end()) return false;
  if (!awaited->second.profile.add_portion(message.bytes, topology_.ranks())) return false;
  ++awaited->second.portions;
  return true;
}

bool CensusTaker::on_counted(Rank from, const Counted& message, Actions& out) {
  if (!is_neighbour(from)) return false;
  const auto found = under_way_.find(message.census);
  if (found == under_way_.end()) return true;
  auto& census = found->second;
  const auto awaited = census.awaited.find(from);
  if (awaited == census.awaited.end()) return false;
  const auto& answering = awaited->second;
  census.sum.profile.add(answering.profile);
  if (message.portions > answering.portions)
    census.sum.profile.portions_lost += message.portions - answering.portions;
  census.awaited.erase(awaited);
  census.sum.counters.add(message.counters);
  census.sum.ranks += message.ranks;
  if (census.told_by && census.awaited.empty()) {
    finish(message.census, census, out);
    under_way_.erase(found);
  }
  return true;
}

void CensusTaker::finish(const JobRequest& name, const UnderWay& census, Actions& out) {
  auto portions = census.sum.profile.portions();
  for (auto& bytes : portions) out.push_back(Send{*census.told_by, Portion{name, std::move(bytes)}});
  out.push_back(Send{*census.told_by, Counted{name, census.sum.ranks, census.sum.counters,
                                              static_cast<std::uint32_t>(portions.size())}});
}

void CensusTaker::on_time(Instant now, Actions& out) {
  for (auto next = under_way_.begin(); next != under_way_.end();) {
    const auto at = next++;
    if (!at->second.told_by || now < at->second.due) continue;
    finish(at->first, at->second, out);
    under_way_.erase(at);
  }
}

std::optional<CensusTaker::Taken> CensusTaker::taken(Instant now) {
  for (auto at = under_way_.begin(); at != under_way_.end(); ++at) {
    auto& census = at->second;
    if (census.told_by || (now < census.due && !census.awaited.empty())) continue;
    Taken taken{at->first.number, std::move(census.sum)};
    under_way_.erase(at);
    return taken;
  }
  return std::nullopt;
}

std::optional<Instant> CensusTaker::deadline() const {
  std::optional<Instant> first;
  for (const auto& [name, census] : under_way_)
    if (!first || census.due < *first) first = census.due;
  return first;
}

}  // namespace copper
