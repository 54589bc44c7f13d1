// The file system operations of one mount: a read-only view of a directory. Unless it is given time to, the
// kernel caches nothing of it, so that every question of every reader arrives here. Called by libfuse's
// worker threads, many at once.
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

// A mount as a client of storage.
struct Client {
  std::uint32_t number = 0;
  std::chrono::milliseconds cache{};  // for so long its kernel keeps names, absent ones too, and attributes;
                                      // 0: nothing, else file bytes and listings as well
};

class Source {
 public:
  // ready: called by a worker when the mount answers. Throws std::system_error where the directory cannot be
  // opened.
  Source(const std::string& directory, Client client, Counts& counts, Gate& gate,
         std::function<void()> ready);

  // For fuse_session_new, with the Source as user data.
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
  bool caches() const { return client_.cache.count() > 0; }
  double cache_seconds() const { return std::chrono::duration<double>(client_.cache).count(); }

  const Client client_;
  Counts& counts_;
  Gate& gate_;
  const std::function<void()> ready_;
  std::atomic<bool> replied_ = false;
  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<fuse_ino_t, std::shared_ptr<Node>> nodes_;
  std::map<std::tuple<fuse_ino_t, std::string, dev_t, ino_t>, fuse_ino_t> known_;
  fuse_ino_t next_ = FUSE_ROOT_ID + 1;  // never reused
};

}  // namespace copper::storage_model
