// /proc/self/mountinfo, as far as the numbers of files need it. Reading it touches no mount.
#include "service/storage/mount_table.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <xxhash.h>

#include <fstream>
#include <map>
#include <sstream>
#include <tuple>
#include <utility>

namespace copper {
namespace {

std::uint64_t seed_of(const std::string& text) { return XXH3_64bits(text.data(), text.size()); }

}  // namespace

MountTable::MountTable(std::string mountinfo) : mountinfo_(std::move(mountinfo)) { read(); }

std::uint64_t MountTable::shown_inode(dev_t device, std::uint64_t inode) {
  std::uint64_t seed = 0;
  {
    const std::lock_guard lock(mutex_);
    auto known = seeds_.find(device);
    if (known == seeds_.end()) {
      read();
      const auto itself = seed_of(fmt::format("{}:{}", major(device), minor(device)));
      known = seeds_.try_emplace(device, itself).first;
    }
    seed = known->second;
  }
  const std::uint64_t shown = XXH3_64bits_withSeed(&inode, sizeof inode, seed);
  return shown != 0 ? shown : 1;
}

// A device may be mounted in many places: the one that shows most of it counts, then the shortest path.
void MountTable::read() {
  using Place =
      std::tuple<std::size_t, std::size_t, std::string>;  // length of the root within, of the path; path
  std::map<dev_t, Place> places;
  std::ifstream file(mountinfo_);
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string id, parent, root, path;
    unsigned major_number = 0;
    unsigned minor_number = 0;
    char colon = 0;
    if (!(fields >> id >> parent >> major_number >> colon >> minor_number >> root >> path)) continue;
    Place place(root.size(), path.size(), path);
    const auto [known, fresh] = places.try_emplace(makedev(major_number, minor_number), place);
    if (!fresh && place < known->second) known->second = std::move(place);
  }
  // What was said of a device stays said: a number must not change while somebody holds it.
  for (const auto& [device, place] : places) seeds_.try_emplace(device, seed_of(std::get<2>(place)));
}

}  // namespace copper
