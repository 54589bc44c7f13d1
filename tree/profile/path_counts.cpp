#include "tree/profile/path_counts.h"

#include <iterator>

namespace copper {

bool before(const CountedPath& a, const CountedPath& b) {
  if (a.count.asks != b.count.asks) return a.count.asks > b.count.asks;
  if (a.count.loads != b.count.loads) return a.count.loads > b.count.loads;
  if (a.asked.path != b.asked.path) return a.asked.path < b.asked.path;
  return a.asked.kind < b.asked.kind;
}

void PathCounts::add(const Key& key, const PathCount& event) {
  if (bound_ == 0) return;
  const AskedPath asked{key.kind, key.path};
  const auto known = index_.find(asked);
  if (known == index_.end() && event.weight() == 0) return;  // it has given way
  const auto place = known != index_.end() ? known->second : enter(asked);
  place->counted.count.add(event);
  if (event.weight() > 0) raise(place, event.weight());
}

// Its counts are zero, its weight is what it inherits.
PathCounts::Place PathCounts::enter(const AskedPath& asked) {
  if (index_.size() >= bound_) {
    auto& lightest = buckets_.front();
    const auto place = lightest.items.begin();
    index_.erase(place->counted.asked);
    ++left_out_;
    place->counted = {asked, {}};
    return index_.emplace(asked, place).first->second;
  }
  if (buckets_.empty() || buckets_.front().weight > 0) buckets_.push_front({});
  auto& weightless = buckets_.front().items;
  weightless.push_back({{asked, {}}, buckets_.begin()});
  return index_.emplace(asked, std::prev(weightless.end())).first->second;
}

void PathCounts::raise(Place place, std::uint64_t by) {
  const auto from = place->bucket;
  const auto weight = from->weight + by;
  auto to = std::next(from);
  while (to != buckets_.end() && to->weight < weight) ++to;  // by few
  if (to == buckets_.end() || to->weight != weight) to = buckets_.insert(to, {weight, {}});
  to->items.splice(to->items.end(), from->items, place);
  place->bucket = to;
  if (from->items.empty()) buckets_.erase(from);
}

std::vector<CountedPath> PathCounts::all() const {
  std::vector<CountedPath> list;
  list.reserve(index_.size());
  for (const auto& bucket : buckets_)
    for (const auto& item : bucket.items) list.push_back(item.counted);
  return list;
}

}  // namespace copper
