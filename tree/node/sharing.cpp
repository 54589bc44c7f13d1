#include "tree/node/sharing.h"

#include <xxhash.h>

#include "tree/limits.h"

namespace copper {

const std::vector<std::pair<std::string, PublishPolicy>>& publish_policies() {
  static const std::vector<std::pair<std::string, PublishPolicy>> names{
      {"all", PublishPolicy::all}, {"asked", PublishPolicy::asked}, {"auto", PublishPolicy::automatic}};
  return names;
}
const std::string& name_of(PublishPolicy policy) {
  return publish_policies()[static_cast<std::size_t>(policy)].first;
}

Sharing::Name Sharing::name_of(const Key& key) {
  const auto path = key.directory();
  return XXH3_64bits(path.data(), path.size());
}

Sharing::Directory& Sharing::directory(Name name) {
  const auto [found, absent] = directories_.try_emplace(name);
  if (absent) {
    order_.push_back(name);
    if (order_.size() > limits::directories_watched) {
      directories_.erase(order_.front());
      order_.pop_front();
    }
  }
  return found->second;
}

bool Sharing::Directory::guess() const {
  return shared >= 2 && 2 * shared > asked && guessed < limits::guesses_per_shared_key * shared;
}

void Sharing::asked(const Key& key, Askers& askers, Rank branch, bool first) {
  if (policy_ != PublishPolicy::automatic) return;
  const bool begins = askers.none() && first;
  const bool second = askers.add(branch);
  if (!begins && !second) return;
  auto& directory = this->directory(name_of(key));
  if (begins && directory.guess()) {
    ++directory.guessed;
    askers.guess_shared();
  } else if (begins) {
    ++directory.asked;
  } else if (directory.shared < directory.asked) {
    ++directory.shared;
  }
}

}  // namespace copper
