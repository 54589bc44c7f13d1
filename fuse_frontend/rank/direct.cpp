// See direct.h.
#include "fuse_frontend/rank/direct.h"

#include <utility>

#include "service/storage/mounts.h"

namespace copper {
namespace {

StorageOptions storage_options(const DirectOptions& options) {
  StorageOptions storage;
  storage.freshness = options.freshness;
  storage.threads = options.threads;
  storage.attributes_ride_along = 0;  // each would be an operation, whether it is wanted or not
  storage.local = options.local;
  storage.mounts = {options.mount};
  for (const auto& mounted : mounts()) {
    if (mounted.type == copper_type) storage.mounts.push_back(mounted.path);
  }
  return storage;
}

}  // namespace

Direct::Direct(const DirectOptions& options, NodePace& pace, std::function<void()> wake)
    : storage_(storage_options(options), memory_, std::move(wake)), pace_(pace) {}

void Direct::read(const Key& key, std::uint64_t client, std::uint64_t epoch, Instant now) {
  const auto [found, first] = waiting_.try_emplace(key);
  auto& waiting = found->second;
  if (first) {
    waiting.epoch = epoch;
    line_.push_back(key);
  }
  (epoch > waiting.epoch ? waiting.later : waiting.clients).push_back(client);
  go_on(now);
}

void Direct::go_on(Instant now) {
  for (; !line_.empty() && pace_.take(direct_operations(line_.front().kind), now); line_.pop_front()) {
    storage_.load(Load{std::move(line_.front()), std::nullopt});
  }
}

std::optional<Instant> Direct::due(Instant now) {
  return line_.empty() ? std::nullopt : std::optional(pace_.due(now));
}

std::optional<Direct::Taken> Direct::take(Instant now) {
  auto loaded = storage_.loaded();
  if (!loaded) return std::nullopt;
  const auto found = waiting_.find(loaded->key);
  Taken taken{std::move(*loaded), std::move(found->second.clients)};
  if (found->second.later.empty()) {
    waiting_.erase(found);
  } else {
    ++found->second.epoch;  // at least: who asks in a later one still waits for another
    found->second.clients = std::exchange(found->second.later, {});
    line_.push_back(taken.loaded.key);
    go_on(now);
  }
  return taken;
}

}  // namespace copper
