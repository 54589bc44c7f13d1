// The operations proper. Each: count, pass the gate, ask the source, reply.
#include "test/storage_model/source.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <system_error>
#include <vector>

namespace copper::storage_model {
namespace {

struct OpenFile {
  FileDescriptor fd;
  std::string path;
};

struct OpenDirectory {
  ~OpenDirectory() {
    if (stream) ::closedir(stream);
  }
  DIR* stream = nullptr;
  off_t offset = 0;    // of the stream
  bool ended = false;  // there: what is added now comes too late
  std::string path;
  std::mutex mutex;
};

// The same inode, opened for reading.
FileDescriptor reopen(const FileDescriptor& fd, int flags) {
  const auto name = "/proc/self/fd/" + std::to_string(fd.get());
  return FileDescriptor(::open(name.c_str(), flags | O_CLOEXEC));
}

FileVersion version_of(int fd) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return {};
  return {st.st_ino, static_cast<std::uint64_t>(st.st_size),
          std::int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec};
}

Client& client_of(fuse_req_t request) { return *static_cast<Client*>(fuse_req_userdata(request)); }

}  // namespace

Source::Source(const std::string& directory, Counts& counts, Gate& gate) : counts_(counts), gate_(gate) {
  auto root = std::make_shared<Node>();
  root->fd = FileDescriptor(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root->fd) throw std::system_error(errno, std::generic_category(), directory);
  root->path = "/";
  root->lookups = 1;
  nodes_.emplace(FUSE_ROOT_ID, std::move(root));
}

std::shared_ptr<Source::Node> Source::node(fuse_ino_t id) const {
  const std::lock_guard lock(mutex_);
  return nodes_.at(id);
}

fuse_ino_t Source::remember(fuse_ino_t parent, const std::string& name, const std::string& path,
                            FileDescriptor fd, const struct stat& st) {
  const std::tuple identity(parent, name, st.st_dev, st.st_ino);
  const std::lock_guard lock(mutex_);
  const auto [it, fresh] = known_.try_emplace(identity, next_);
  if (fresh) {
    auto made = std::make_shared<Node>();
    made->fd = std::move(fd);
    made->path = path;
    made->identity = identity;
    nodes_.emplace(next_++, std::move(made));
  }
  ++nodes_.at(it->second)->lookups;
  return it->second;
}

void Source::forget(fuse_ino_t id, std::uint64_t lookups) {
  const std::lock_guard lock(mutex_);
  const auto it = nodes_.find(id);
  if (id == FUSE_ROOT_ID || it == nodes_.end()) return;
  it->second->lookups -= lookups;
  if (it->second->lookups > 0) return;
  known_.erase(it->second->identity);
  nodes_.erase(it);
}

bool Source::admit(fuse_req_t request, Op op, const std::string& path, std::uint64_t bytes) {
  counts_.asked(op, path);
  const int error = gate_.pass(request, {client_of(request).number, op, path, bytes});
  if (error != 0) fuse_reply_err(request, error);
  return error == 0;
}

struct Operations {
  static Source& source(fuse_req_t request) { return client_of(request).source; }

  static void init(void* self, fuse_conn_info* connection) {
    const auto& client = *static_cast<Client*>(self);
    if (client.caches()) {
      // Reads ahead are under way as many at a time as the client may have, not as many as FUSE's default.
      connection->max_background = 256;
      connection->congestion_threshold = 256;
    }
    client.ready();
  }

  // libfuse before 3.16.2 never says that the names of a directory may be asked at the same time, and the
  // kernel then asks one by one. So it is put into the first reply, the answer to INIT, which comes alone.
  static ssize_t write_reply(int fd, iovec* pieces, int count, void* self) {
    if (!static_cast<Client*>(self)->replied.exchange(true) && count == 2 &&
        pieces[1].iov_len >= offsetof(fuse_init_out, max_background)) {
      static_cast<fuse_init_out*>(pieces[1].iov_base)->flags |= FUSE_PARALLEL_DIROPS;
    }
    return ::writev(fd, pieces, count);
  }

  static ssize_t read_request(int fd, void* bytes, std::size_t size, void*) {
    return ::read(fd, bytes, size);
  }

  static void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
    auto& self = source(request);
    const auto directory = self.node(parent);
    const auto path = (directory->path == "/" ? "" : directory->path) + "/" + name;
    if (!self.admit(request, Op::lookup, path)) return;
    FileDescriptor fd(::openat(directory->fd.get(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    fuse_entry_param entry{};
    entry.entry_timeout = entry.attr_timeout = client_of(request).cache_seconds();
    if (!fd || ::fstatat(fd.get(), "", &entry.attr, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
      const int error = errno;
      if (error == ENOENT) self.counts_.absent(path);
      if (error == ENOENT && client_of(request).caches()) {
        entry.ino = 0;  // an absent name, to be remembered
        fuse_reply_entry(request, &entry);
      } else {
        fuse_reply_err(request, error);
      }
      return;
    }
    entry.ino = self.remember(parent, name, path, std::move(fd), entry.attr);
    if (fuse_reply_entry(request, &entry) != 0) self.forget(entry.ino, 1);
  }

  static void forget(fuse_req_t request, fuse_ino_t id, std::uint64_t lookups) {
    source(request).forget(id, lookups);
    fuse_reply_none(request);
  }

  static void forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
    for (std::size_t i = 0; i < count; ++i) source(request).forget(forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(request);
  }

  static void getattr(fuse_req_t request, fuse_ino_t id, fuse_file_info*) {
    auto& self = source(request);
    const auto node = self.node(id);
    if (!self.admit(request, Op::getattr, node->path)) return;
    struct stat st {};
    if (::fstatat(node->fd.get(), "", &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
      fuse_reply_err(request, errno);
    } else {
      fuse_reply_attr(request, &st, client_of(request).cache_seconds());
    }
  }

  static void readlink(fuse_req_t request, fuse_ino_t id) {
    auto& self = source(request);
    const auto node = self.node(id);
    if (!self.admit(request, Op::readlink, node->path)) return;
    std::array<char, PATH_MAX> target{};
    const auto length = ::readlinkat(node->fd.get(), "", target.data(), target.size() - 1);
    if (length < 0) {
      fuse_reply_err(request, errno);
    } else {
      fuse_reply_readlink(request, target.data());
    }
  }

  static void open(fuse_req_t request, fuse_ino_t id, fuse_file_info* info) {
    auto& self = source(request);
    const auto node = self.node(id);
    if (!self.admit(request, Op::open, node->path)) return;
    auto file = std::make_unique<OpenFile>(OpenFile{reopen(node->fd, O_RDONLY), node->path});
    if (!file->fd) {
      fuse_reply_err(request, errno);
      return;
    }
    info->direct_io =
        !client_of(request).caches();  // each read arrives here, with the bounds it was asked with
    info->keep_cache = client_of(request).caches();
    info->fh = reinterpret_cast<std::uint64_t>(file.release());
    if (fuse_reply_open(request, info) != 0) delete reinterpret_cast<OpenFile*>(info->fh);
  }

  static void read(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
    auto& self = source(request);
    const auto& file = *reinterpret_cast<OpenFile*>(info->fh);
    const auto version = version_of(file.fd.get());
    const auto begin = static_cast<std::uint64_t>(offset);
    const auto left = std::min(std::uint64_t{size}, version.size - std::min(begin, version.size));
    if (!self.admit(request, Op::read, file.path, left)) return;
    std::vector<char> bytes(size);
    const auto got = ::pread(file.fd.get(), bytes.data(), size, offset);
    if (got < 0) {
      fuse_reply_err(request, errno);
      return;
    }
    const auto length = static_cast<std::size_t>(got);
    self.counts_.handed_over(file.path, version, begin, length);
    fuse_reply_buf(request, bytes.data(), length);
  }

  static void release(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
    delete reinterpret_cast<OpenFile*>(info->fh);
    fuse_reply_err(request, 0);
  }

  static void opendir(fuse_req_t request, fuse_ino_t id, fuse_file_info* info) {
    auto& self = source(request);
    const auto node = self.node(id);
    if (!self.admit(request, Op::opendir, node->path)) return;
    auto fd = reopen(node->fd, O_RDONLY | O_DIRECTORY);
    auto directory = std::make_unique<OpenDirectory>();
    if (fd) directory->stream = ::fdopendir(fd.get());
    if (!directory->stream) {
      fuse_reply_err(request, errno);
      return;
    }
    (void)fd.release();
    directory->path = node->path;
    info->cache_readdir = info->keep_cache = client_of(request).caches();
    info->fh = reinterpret_cast<std::uint64_t>(directory.release());
    if (fuse_reply_open(request, info) != 0) delete reinterpret_cast<OpenDirectory*>(info->fh);
  }

  static void readdir(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
    auto& self = source(request);
    auto& directory = *reinterpret_cast<OpenDirectory*>(info->fh);
    if (!self.admit(request, Op::readdir, directory.path)) return;
    const std::lock_guard lock(directory.mutex);
    if (offset != directory.offset) {
      ::seekdir(directory.stream, offset);
      directory.ended = false;
    }
    directory.offset = offset;
    std::vector<char> bytes(size);
    std::size_t used = 0;
    errno = 0;
    while (!directory.ended) {
      const auto* const item = ::readdir(directory.stream);
      directory.ended = item == nullptr && errno == 0;
      if (item == nullptr) break;
      struct stat st {};
      st.st_ino = item->d_ino;
      if (!std::string_view(item->d_name).starts_with("untyped")) {
        st.st_mode = static_cast<mode_t>(DTTOIF(item->d_type));
      }
      const auto length =
          fuse_add_direntry(request, bytes.data() + used, size - used, item->d_name, &st, item->d_off);
      if (length > size - used) {
        ::seekdir(directory.stream, directory.offset);
        break;
      }
      used += length;
      directory.offset = item->d_off;
    }
    if (used == 0 && errno != 0) {
      fuse_reply_err(request, errno);
    } else {
      fuse_reply_buf(request, bytes.data(), used);
    }
  }

  static void releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
    delete reinterpret_cast<OpenDirectory*>(info->fh);
    fuse_reply_err(request, 0);
  }

  static void statfs(fuse_req_t request, fuse_ino_t id) {
    auto& self = source(request);
    const auto node = self.node(id);
    if (!self.admit(request, Op::statfs, node->path)) return;
    struct statvfs st {};
    if (::fstatvfs(node->fd.get(), &st) != 0) {
      fuse_reply_err(request, errno);
    } else {
      fuse_reply_statfs(request, &st);
    }
  }
};

const fuse_custom_io& Source::replies() {
  static const fuse_custom_io io{Operations::write_reply, Operations::read_request, nullptr, nullptr};
  return io;
}

const fuse_lowlevel_ops& Source::operations() {
  static const fuse_lowlevel_ops table = [] {
    fuse_lowlevel_ops ops{};
    ops.init = Operations::init;
    ops.lookup = Operations::lookup;
    ops.forget = Operations::forget;
    ops.forget_multi = Operations::forget_multi;
    ops.getattr = Operations::getattr;
    ops.readlink = Operations::readlink;
    ops.open = Operations::open;
    ops.read = Operations::read;
    ops.release = Operations::release;
    ops.opendir = Operations::opendir;
    ops.readdir = Operations::readdir;
    ops.releasedir = Operations::releasedir;
    ops.statfs = Operations::statfs;
    return ops;
  }();
  return table;
}

}  // namespace copper::storage_model
