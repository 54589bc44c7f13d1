// See inodes.h.
#include "fuse_frontend/view/inodes.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "service/refusal.h"
#include "tree/limits.h"

namespace copper {
namespace {

constexpr std::uint32_t root_index = 0;      // which, as a link, also says "none": the root is nobody's child
constexpr std::uint32_t inodes_step = 4096;  // records committed at a time

std::uint32_t index_of(Nodeid id) { return static_cast<std::uint32_t>(id - 1); }
Nodeid id_of(std::uint32_t index) { return Nodeid{index} + 1; }

std::size_t mixed(std::size_t seed, std::uint64_t value) {
  return (seed ^ value) * 0x9e3779b97f4a7c15ULL ^ (seed >> 29);
}

}  // namespace

bool Inode::is_directory() const { return S_ISDIR(attributes.mode); }
std::uint32_t Inode::type() const { return attributes.mode & S_IFMT; }

std::size_t Inodes::Hash::operator()(const Sought& sought) const {
  auto hash = mixed(std::hash<std::string_view>{}(sought.name), sought.parent);
  if (sought.directory) return hash;
  hash = mixed(hash, sought.version.inode);
  return mixed(hash, static_cast<std::uint64_t>(sought.version.mtime_ns));
}

std::size_t Inodes::Hash::operator()(std::uint32_t index) const { return (*this)(inodes->name_of(index)); }

bool Inodes::Equal::operator()(const Sought& a, std::uint32_t index) const {
  const auto b = inodes->name_of(index);
  return a.parent == b.parent && a.directory == b.directory && a.name == b.name &&
         (a.directory || a.version == b.version);
}

bool Inodes::Equal::operator()(std::uint32_t a, std::uint32_t b) const { return a == b; }

Inodes::Inodes(Segment& segment) : segment_(segment), names_(16, Hash{this}, Equal{this}) {
  const auto committed = segment.header().inode_bytes_committed.load() / sizeof(segment::InodeRecord);
  if (committed == 0 && !segment.commit_inodes(inodes_step * sizeof(segment::InodeRecord))) {
    throw Refusal("shared memory is full: no room for the table of inodes");
  }
  auto& root = record(root_index);
  root.attributes.mode = S_IFDIR;
  root.parent = root_nodeid;
  if (root.generation == 0) root.generation = segment.header().inode_generation.fetch_add(1) + 1;
  root.state.store(static_cast<std::uint32_t>(segment::InodeState::live), std::memory_order_release);
  const auto records =
      std::min<std::size_t>(std::max<std::size_t>(committed, inodes_step), segment::inodes_max);
  links_.resize(records);
  names_.reserve(records);  // a worker's successor has that many to put in order before it answers anybody
  for (std::uint32_t index = static_cast<std::uint32_t>(records); index-- > root_index + 1;) {
    if (!live(id_of(index)) || !live(record(index).parent)) {
      record(index).state.store(static_cast<std::uint32_t>(segment::InodeState::free),
                                std::memory_order_release);
      free_.push_back(index);
    } else {
      names_.insert(index);
      link(index);
    }
  }
  std::vector<Freed> freed;
  for (std::uint32_t index = root_index + 1; index < records; ++index) {
    if (live(id_of(index))) free_unless_known(id_of(index), freed);
  }
}

void Inodes::clear(Segment& segment) {
  const auto committed = segment.header().inode_bytes_committed.load() / sizeof(segment::InodeRecord);
  for (std::size_t index = 0; index < std::min<std::size_t>(committed, segment::inodes_max); ++index) {
    auto& record = segment.inodes()[index];
    record.state.store(static_cast<std::uint32_t>(segment::InodeState::free), std::memory_order_release);
    record.lookups.store(0, std::memory_order_relaxed);
  }
}

bool Inodes::live(Nodeid id) const {
  return id >= 1 && id <= links_.size() &&
         record(index_of(id)).state.load(std::memory_order_acquire) ==
             static_cast<std::uint32_t>(segment::InodeState::live);
}

Inodes::Sought Inodes::name_of(std::uint32_t index) const {
  const auto& of = record(index);
  const auto length = std::min<std::size_t>(of.name_bytes, limits::name_bytes);
  return {of.parent, {of.name.data(), length}, S_ISDIR(of.attributes.mode), of.attributes.version()};
}

Inode Inodes::copy(std::uint32_t index) const {
  const auto& of = record(index);
  return {id_of(index), of.generation, of.parent, of.attributes, std::string(name_of(index).name),
          of.racy != 0};
}

std::optional<Inode> Inodes::inode(Nodeid id) const {
  const std::lock_guard lock(mutex_);
  if (!live(id)) return std::nullopt;
  return copy(index_of(id));
}

Result<std::string> Inodes::path(Nodeid id) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string_view> names;
  std::size_t bytes = 0;
  for (; id != root_nodeid; id = record(index_of(id)).parent) {
    if (!live(id)) return Errno{ESTALE};
    names.push_back(name_of(index_of(id)).name);
    bytes += 1 + names.back().size();
    if (bytes > limits::path_bytes) return Errno{ENAMETOOLONG};
  }
  if (names.empty()) return std::string("/");
  std::string path;
  path.reserve(bytes);
  for (auto name = names.rbegin(); name != names.rend(); ++name) path.append("/").append(*name);
  return path;
}

Result<Inode> Inodes::found(Nodeid parent, std::string_view name, const Entry& entry) {
  const auto& attributes = entry.attributes;
  const std::lock_guard lock(mutex_);
  if (!live(parent)) return Errno{ESTALE};
  const bool directory = S_ISDIR(attributes.mode);
  const Sought sought{parent, name, directory, directory ? Version{} : attributes.version()};
  if (const auto known = names_.find(sought); known != names_.end()) {
    record(*known).lookups.fetch_add(1, std::memory_order_relaxed);
    if (entry.racy) record(*known).racy = 1;
    return copy(*known);
  }
  const auto index = allocate();
  if (!index) return Errno{ENOMEM};
  auto& made = record(*index);
  made.attributes = attributes;
  made.generation = segment_.header().inode_generation.fetch_add(1) + 1;
  made.parent = parent;
  made.racy = entry.racy ? 1 : 0;
  made.name_bytes = static_cast<std::uint16_t>(name.size());
  std::memcpy(made.name.data(), name.data(), name.size());
  made.lookups.store(1, std::memory_order_relaxed);
  made.state.store(static_cast<std::uint32_t>(segment::InodeState::live), std::memory_order_release);
  names_.insert(*index);
  link(*index);
  return copy(*index);
}

std::vector<Inodes::Freed> Inodes::forget(Nodeid id, std::uint64_t lookups) {
  const std::lock_guard lock(mutex_);
  std::vector<Freed> freed;
  if (!live(id)) return freed;
  auto& count = record(index_of(id)).lookups;
  const auto had = count.load(std::memory_order_relaxed);
  count.store(had - std::min(had, lookups), std::memory_order_relaxed);
  free_unless_known(id, freed);
  return freed;
}

// A parent stays for its children's sake, and goes with the last of them.
void Inodes::free_unless_known(Nodeid id, std::vector<Freed>& freed) {
  while (id != root_nodeid) {
    const auto index = index_of(id);
    auto& gone = record(index);
    if (gone.lookups.load(std::memory_order_relaxed) > 0 || links_[index].first_child != 0) break;
    freed.push_back({id, gone.generation});
    names_.erase(index);
    unlink(index);
    id = gone.parent;
    gone.state.store(static_cast<std::uint32_t>(segment::InodeState::free), std::memory_order_release);
    free_.push_back(index);
  }
}

std::optional<Inode> Inodes::directory(Nodeid parent, std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto known = names_.find(Sought{parent, name, true, {}});
  if (known == names_.end()) return std::nullopt;
  return copy(*known);
}

std::optional<Inode> Inodes::directory_at(std::string_view path) const {
  const std::lock_guard lock(mutex_);
  std::uint32_t index = root_index;
  while (true) {
    const auto start = path.find_first_not_of('/');
    if (start == std::string_view::npos) return copy(index);
    path.remove_prefix(start);
    const auto name = path.substr(0, path.find('/'));
    path.remove_prefix(name.size());
    const auto known = names_.find(Sought{id_of(index), name, true, {}});
    if (known == names_.end()) return std::nullopt;
    index = *known;
  }
}

std::vector<Inode> Inodes::children(Nodeid parent) const {
  const std::lock_guard lock(mutex_);
  std::vector<Inode> all;
  if (!live(parent)) return all;
  for (auto index = links_[index_of(parent)].first_child; index != 0; index = links_[index].next) {
    all.push_back(copy(index));
  }
  return all;
}

std::vector<Nodeid> Inodes::directories() const {
  const std::lock_guard lock(mutex_);
  std::vector<Nodeid> all{root_nodeid};
  for (const auto index : names_) {
    if (name_of(index).directory) all.push_back(id_of(index));
  }
  return all;
}

std::optional<std::uint32_t> Inodes::allocate() {
  if (free_.empty()) {
    const auto had = static_cast<std::uint32_t>(links_.size());
    const auto wanted = std::min(had + inodes_step, segment::inodes_max);
    if (wanted == had || !segment_.commit_inodes(wanted * sizeof(segment::InodeRecord))) return std::nullopt;
    links_.resize(wanted);
    for (auto index = wanted; index-- > had;) free_.push_back(index);
  }
  const auto index = free_.back();
  free_.pop_back();
  return index;
}

void Inodes::link(std::uint32_t index) {
  auto& first = links_[index_of(record(index).parent)].first_child;
  links_[index].next = first;
  links_[index].previous = 0;
  if (first != 0) links_[first].previous = index;
  first = index;
}

void Inodes::unlink(std::uint32_t index) {
  const auto [child, next, previous] = links_[index];
  if (next != 0) links_[next].previous = previous;
  if (previous != 0) {
    links_[previous].next = next;
  } else {
    links_[index_of(record(index).parent)].first_child = next;
  }
  links_[index] = {};
}

}  // namespace copper
