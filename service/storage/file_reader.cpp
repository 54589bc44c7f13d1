// A descriptor belongs to a path and a version; several readers may share one. What is read is given only
// when the version held before and after.
#include "service/storage/file_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "tree/limits.h"

namespace copper {
namespace {

// The file of a block, as the key of its descriptor.
Key file_of(const Key& block) { return Key::file_block(block.path, 0, block.version); }

std::optional<Errno> read_all(int fd, std::span<std::byte> room, std::uint64_t offset) {
  while (!room.empty()) {
    const ssize_t bytes = ::pread(fd, room.data(), room.size(), static_cast<off_t>(offset));
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return last_errno();
    if (bytes == 0) return Errno{ESTALE};  // the version says there is more
    room = room.subspan(static_cast<std::size_t>(bytes));
    offset += static_cast<std::uint64_t>(bytes);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::size_t> FileReader::block_size(const Key& key) {
  const std::uint64_t begin = std::uint64_t{key.block} * limits::block_bytes;
  if (begin >= key.version.size) return std::nullopt;
  return static_cast<std::size_t>(std::min<std::uint64_t>(limits::block_bytes, key.version.size - begin));
}

std::optional<Errno> FileReader::read(const Key& key, std::size_t offset, std::span<std::byte> room) {
  const Key file = file_of(key);
  Open open = kept(file);
  std::optional<Errno> error;
  if (open) {
    error = verify(*open, key.version);
  } else {
    auto opened = this->open(file);  // and found to be of that version
    if (!opened) return opened.error();
    open = std::move(*opened);
  }
  if (!error) error = read_all(open->fd.get(), room, std::uint64_t{key.block} * limits::block_bytes + offset);
  if (!error) error = verify(*open, key.version);
  if (error) drop(file);
  return error;
}

// One opens, whoever wants the same file meanwhile waits for that.
Result<FileReader::Open> FileReader::open(const Key& file) {
  std::promise<Result<Open>> promise;
  std::shared_future<Result<Open>> other;
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = index_.find(file); known != index_.end()) return known->second->second;
    const auto [opening, first] = opening_.try_emplace(file);
    if (first) {
      opening->second = promise.get_future().share();
    } else {
      other = opening->second;
    }
  }
  if (other.valid()) return other.get();
  auto opened = open_now(file);
  {
    const std::lock_guard lock(mutex_);
    opening_.erase(file);
  }
  promise.set_value(opened);
  return opened;
}

Result<FileReader::Open> FileReader::open_now(const Key& file) {
  // First without opening it for reading, which a FIFO or a device would notice.
  const auto gone = [](Errno error) {
    const bool is_gone = error == Errno{ENOENT} || error == Errno{ENOTDIR} || error == Errno{ELOOP};
    return is_gone ? Errno{ESTALE} : error;
  };
  const FileDescriptor path(::open(file.path.str().c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!path) return gone(last_errno());
  const auto look = entries_.look(path.get());
  if (!look) return gone(look.error());
  if (look->attributes.version() != file.version) return Errno{ESTALE};
  if (!S_ISREG(look->attributes.mode)) return Errno{EINVAL};
  const auto self = fmt::format("/proc/self/fd/{}", path.get());
  FileDescriptor fd(::open(self.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) return gone(last_errno());
  const auto open = std::make_shared<const OpenFile>(OpenFile{std::move(fd), look->attributes.nlink});
  if (file.version.size > limits::block_bytes) keep(file, open);
  return open;
}

// Still the version that was opened. A name taken away from it changes its ctime, not its bytes.
std::optional<Errno> FileReader::verify(const OpenFile& open, const Version& version) const {
  const auto look = entries_.look(open.fd.get());
  if (!look) return look.error();
  Version now = look->attributes.version();
  if (look->attributes.nlink < open.nlink) now.ctime_ns = version.ctime_ns;
  return now == version ? std::nullopt : std::optional(Errno{ESTALE});
}

FileReader::Open FileReader::kept(const Key& file) {
  const std::lock_guard lock(mutex_);
  const auto known = index_.find(file);
  if (known == index_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, known->second);
  return known->second->second;
}

void FileReader::keep(const Key& file, const Open& open) {
  Kept dropped;  // closed outside of the lock
  const std::lock_guard lock(mutex_);
  if (descriptors_kept_ == 0 || index_.contains(file)) return;
  kept_.emplace_front(file, open);
  index_.emplace(file, kept_.begin());
  if (kept_.size() <= descriptors_kept_) return;
  index_.erase(kept_.back().first);
  dropped.splice(dropped.begin(), kept_, std::prev(kept_.end()));
}

void FileReader::drop(const Key& file) {
  Kept dropped;
  const std::lock_guard lock(mutex_);
  const auto known = index_.find(file);
  if (known == index_.end()) return;
  dropped.splice(dropped.begin(), kept_, known->second);
  index_.erase(known);
}

}  // namespace copper
