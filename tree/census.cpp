#include "tree/census.h"

#include <algorithm>
#include <utility>

#include "tree/limits.h"

namespace copper {

CensusTaker::CensusTaker(Rank self, const Topology& topology)
    : self_(self), topology_(topology), neighbours_(topology.children(self, first_tree)) {
  if (const auto parent = topology.parent(self, first_tree)) neighbours_.push_back(*parent);
}

bool CensusTaker::is_neighbour(Rank rank) const {
  return std::find(neighbours_.begin(), neighbours_.end(), rank) != neighbours_.end();
}

std::uint64_t CensusTaker::begin(const Counters& own, Instant now, Actions& out) {
  const JobRequest name{self_, ++last_number_};
  spread(name, {std::nullopt, {}, {own, 1}, now + limits::census_patience}, out);
  return name.number;
}

bool CensusTaker::on_count(Rank from, const Count& message, const Counters& own, Instant now, Actions& out) {
  const auto& name = message.census;
  if (!is_neighbour(from) || !topology_.contains(name.asker) || name.asker == self_) return false;
  if (under_way_.contains(name)) return false;
  if (under_way_.size() >= limits::censuses) return true;
  spread(name, {from, {}, {own, 1}, now + limits::census_memory}, out);
  return true;
}

void CensusTaker::spread(const JobRequest& name, UnderWay census, Actions& out) {
  for (const auto neighbour : neighbours_) {
    if (neighbour == census.told_by) continue;
    census.awaited.push_back(neighbour);
    out.push_back(Send{neighbour, Count{name}});
  }
  if (census.told_by && census.awaited.empty()) {
    finish(name, census, out);
  } else {
    under_way_.emplace(name, std::move(census));
  }
}

bool CensusTaker::on_counted(Rank from, const Counted& message, Actions& out) {
  if (!is_neighbour(from)) return false;
  const auto found = under_way_.find(message.census);
  if (found == under_way_.end()) return true;
  auto& census = found->second;
  if (std::erase(census.awaited, from) == 0) return false;
  census.sum.counters.add(message.counters);
  census.sum.ranks += message.ranks;
  if (census.told_by && census.awaited.empty()) {
    finish(message.census, census, out);
    under_way_.erase(found);
  }
  return true;
}

void CensusTaker::finish(const JobRequest& name, const UnderWay& census, Actions& out) {
  out.push_back(Send{*census.told_by, Counted{name, census.sum.ranks, census.sum.counters}});
}

std::optional<CensusTaker::Taken> CensusTaker::taken(Instant now) {
  for (auto next = under_way_.begin(); next != under_way_.end();) {
    const auto at = next++;
    const auto& census = at->second;
    const bool own = !census.told_by;
    if (now < census.due && !(own && census.awaited.empty())) continue;
    const Taken taken{at->first.number, census.sum};
    under_way_.erase(at);
    if (own) return taken;
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
