// The file system operations: a read-only view of a directory, shared by all mounts. Unless a mount is given
// time to, its kernel caches nothing of it, so that every question of every reader arrives here. Called by
// libfuse's worker threads, many at once.
//
// A node is a name that resolved to an inode, held by an O_PATH descriptor: a file that was renamed over or
// deleted stays readable for who has it open, as on a native file system. Hard links are nodes of their own
// (each path is counted apart) with equal st_ino. st_ino is the source's.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>

#include "service/segment/file_descriptor.h"
#include "test/storage_model/counts.h"
#include "test/storage_model/gate.h"

namespace copper::storage_model {

class Source {
 public:
  // Throws std::system_error where the directory cannot be opened.
  Source(const std::string& directory, Counts& counts, Gate& gate);

  // For fuse_session_new, with a Client as user data.
  static const fuse_lowlevel_ops& operations();
  // For fuse_session_custom_io: how requests come and replies go.
  static const fuse_custom_io& replies();

 private:
  struct Node {
    FileDescriptor fd;
    std::string path;  // as the mount's root sees it: "/", "/a/b"
    std::uint64_t lookups = 0;
    std::tuple<fuse_ino_t, std::string, dev_t, ino_t> identity;
  };
  friend struct Operations;

  std::shared_ptr<Node> node(fuse_ino_t id) const;
  // The node's number, its lookup count raised by one.
  fuse_ino_t remember(fuse_ino_t parent, const std::string& name, const std::string& path, FileDescriptor fd,
                      const struct stat& st);
  void forget(fuse_ino_t id, std::uint64_t lookups);
  // Counts the question and passes the gate. False: the request has been answered with an error.
  bool admit(fuse_req_t request, Op op, const std::string& path, std::uint64_t bytes = 0);

  Counts& counts_;
  Gate& gate_;
  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<fuse_ino_t, std::shared_ptr<Node>> nodes_;
  std::map<std::tuple<fuse_ino_t, std::string, dev_t, ino_t>, fuse_ino_t> known_;
  fuse_ino_t next_ = FUSE_ROOT_ID + 1;  // never reused
};

// A mount as a client of storage.
struct Client {
  Source& source;
  const std::uint32_t number;
  const std::chrono::milliseconds cache;  // for so long its kernel keeps names, absent ones too, and
                                          // attributes; 0: nothing, else file bytes and listings as well
  const std::function<void()> ready;      // called by a worker when the mount answers
  std::atomic<bool> replied = false;      // has answered the kernel's first request

  bool caches() const { return cache.count() > 0; }
  double cache_seconds() const { return std::chrono::duration<double>(cache).count(); }
};

}  // namespace copper::storage_model
