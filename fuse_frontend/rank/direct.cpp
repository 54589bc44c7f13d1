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
  storage.local = options.local;
  storage.mounts = {options.mount};
  for (const auto& mounted : mounts()) {
    if (mounted.type == copper_type) storage.mounts.push_back(mounted.path);
  }
  return storage;
}

}  // namespace

Direct::Direct(const DirectOptions& options, std::function<void()> wake)
    : storage_(storage_options(options), memory_, std::move(wake)) {}

void Direct::read(const Key& key, std::uint64_t client, std::uint64_t epoch) {
  const auto [found, first] = waiting_.try_emplace(key);
  auto& waiting = found->second;
  if (first) {
    waiting.epoch = epoch;
    storage_.load(Load{key, std::nullopt});
  }
  (epoch > waiting.epoch ? waiting.later : waiting.clients).push_back(client);
}

std::optional<Direct::Taken> Direct::take() {
  auto loaded = storage_.loaded();
  if (!loaded) return std::nullopt;
  const auto found = waiting_.find(loaded->key);
  Taken taken{std::move(*loaded), std::move(found->second.clients)};
  if (found->second.later.empty()) {
    waiting_.erase(found);
  } else {
    ++found->second.epoch;  // at least: who asks in a later one still waits for another
    found->second.clients = std::exchange(found->second.later, {});
    storage_.load(Load{taken.loaded.key, std::nullopt});
  }
  return taken;
}

}  // namespace copper
