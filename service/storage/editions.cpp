// A short list in order of use: a directory of several blocks is rare, and large.
#include "service/storage/editions.h"

#include <algorithm>
#include <utility>

namespace copper {

std::list<Editions::Kept>::iterator Editions::position(const std::string& path, std::uint64_t number) {
  return std::ranges::find_if(kept_, [&](const Kept& k) { return k.number == number && k.path == path; });
}

void Editions::put(const std::string& path, std::uint64_t number, Edition edition) {
  std::size_t bytes = 0;
  for (const auto& block : *edition) bytes += block.size();
  const std::lock_guard lock(mutex_);
  if (const auto known = position(path, number); known != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, known);
    return;
  }
  kept_.push_front({path, number, std::move(edition), bytes});
  bytes_ += bytes;
  while (bytes_ > bytes_max_ && kept_.size() > 1) {
    bytes_ -= kept_.back().bytes;
    kept_.pop_back();
  }
}

Edition Editions::find(const std::string& path, std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto known = position(path, number);
  if (known == kept_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, known);
  return known->edition;
}

}  // namespace copper
