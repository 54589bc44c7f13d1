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

void Direct::read(const Key& key, std::uint64_t client) {
  auto& clients = waiting_[key];
  clients.push_back(client);
  if (clients.size() == 1) storage_.load(Load{key, std::nullopt});
}

std::optional<Direct::Taken> Direct::take() {
  auto loaded = storage_.loaded();
  if (!loaded) return std::nullopt;
  auto clients = waiting_.extract(loaded->key);
  return Taken{std::move(*loaded), clients ? std::move(clients.mapped()) : std::vector<std::uint64_t>()};
}

}  // namespace copper
