// Names come from one thread's readdir; what they are is then asked by several, each on its own items.
#include "service/storage/directory_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "service/segment/file_descriptor.h"

namespace copper {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Result<Directory> open_directory(const std::string& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return last_errno();
  Directory directory(::fdopendir(fd.get()));
  if (!directory) return last_errno();
  fd.release();
  return directory;
}

// The names as readdir gives them; their inode numbers are still storage's own.
Result<std::vector<Sweep::Item>> read_names(DIR* directory) {
  std::vector<Sweep::Item> items;
  for (;;) {
    errno = 0;
    const dirent* found = ::readdir(directory);
    if (found == nullptr) break;
    const std::string_view name = found->d_name;
    if (name == "." || name == "..") continue;
    if (items.size() == DirectoryReader::names_max) return Errno{EOVERFLOW};
    items.push_back({.name = std::string(name),
                     .type = static_cast<std::uint32_t>(DTTOIF(found->d_type)),
                     .ino = found->d_ino,
                     .entry = {}});
  }
  if (errno != 0) return last_errno();
  return items;
}

}  // namespace

Result<Sweep> DirectoryReader::sweep(const std::string& path) {
  auto directory = open_directory(path);
  if (!directory) return directory.error();
  const int fd = ::dirfd(directory->get());
  // Before the names are read: what changes meanwhile shows at the next look.
  const auto own = entries_.entry(fd, "");
  if (!own) return own.error();
  const auto look = entries_.look(fd);
  if (!look) return look.error();
  auto items = read_names(directory->get());
  if (!items) return items.error();

  const auto device = look->device;
  Sweep sweep{.directory = own->attributes, .racy = own->racy, .items = std::move(*items)};
  for (auto& item : sweep.items) item.ino = mounts_.shown_inode(device, item.ino);

  const auto as_link = [&path](const std::string& name) {
    auto link = SourceTree::link_to(join_path(path, name));
    return Sweep::Item{.name = name, .type = S_IFLNK, .ino = link.attributes.ino, .entry = std::move(link)};
  };
  std::vector<Sweep::Item> exceptions;
  for (const auto& [name, place] : tree_.exceptions_in(path)) {
    const auto found = std::ranges::find(sweep.items, name, &Sweep::Item::name);
    Sweep::Item item{.name = name, .type = S_IFDIR, .ino = 1, .entry = {}};
    if (place == Place::local_link) {
      item = as_link(name);
    } else if (found != sweep.items.end()) {
      item.ino = found->ino;
    } else {
      continue;  // a mount whose directory is gone
    }
    if (found != sweep.items.end()) sweep.items.erase(found);
    exceptions.push_back(std::move(item));
  }
  const auto local = std::ranges::partition(sweep.items, [&](const Sweep::Item& item) {
    return tree_.place(join_path(path, item.name)) != Place::local_name;
  });
  for (const auto& item : local) exceptions.push_back(as_link(item.name));
  sweep.items.erase(local.begin(), local.end());

  const bool attributes_ride_along = sweep.items.size() <= ride_along_;
  std::vector<Sweep::Item*> asked;
  for (auto& item : sweep.items) {
    if (attributes_ride_along || (item.type == 0 && ride_along_ != 0)) asked.push_back(&item);
  }
  pool_.spread(asked.size(), [&](std::size_t i) {
    Sweep::Item& item = *asked[i];
    auto entry = entries_.entry(fd, item.name);
    if (!entry) return;
    item.type = entry->attributes.mode & S_IFMT;
    item.ino = entry->attributes.ino;
    if (attributes_ride_along) item.entry = std::move(*entry);
  });
  for (const auto& item : sweep.items) sweep.racy |= item.entry && item.entry->racy;
  std::ranges::move(exceptions, std::back_inserter(sweep.items));
  return sweep;
}

}  // namespace copper
