// See absent_names.h.
#include "fuse_frontend/view/absent_names.h"

namespace copper {

std::optional<AbsentNames::Name> AbsentNames::told(Nodeid directory, std::uint64_t generation,
                                                   const std::string& name, Instant until, Instant now) {
  if (until <= now) return std::nullopt;
  const std::lock_guard lock(mutex_);
  directories_[generation][name] = until;
  order_.push_back({directory, generation, name, until});
  while (!order_.empty()) {
    const auto& first = order_.front();
    const bool live = counts(first) && now < first.until;
    if (live && order_.size() <= most) break;
    if (counts(first)) drop(first);
    auto gone = std::move(order_.front());
    order_.pop_front();
    if (live) return Name{gone.directory, std::move(gone.name)};
  }
  return std::nullopt;
}

bool AbsentNames::counts(const Told& told) const {
  const auto names = directories_.find(told.generation);
  if (names == directories_.end()) return false;
  const auto name = names->second.find(told.name);
  return name != names->second.end() && name->second == told.until;
}

void AbsentNames::drop(const Told& told) {
  const auto names = directories_.find(told.generation);
  names->second.erase(told.name);
  if (names->second.empty()) directories_.erase(names);
}

std::vector<std::string> AbsentNames::take(std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> taken;
  const auto names = directories_.find(generation);
  if (names == directories_.end()) return taken;
  for (const auto& [name, until] : names->second) taken.push_back(name);
  directories_.erase(names);
  return taken;
}

void AbsentNames::forget(std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  directories_.erase(generation);
}

}  // namespace copper
