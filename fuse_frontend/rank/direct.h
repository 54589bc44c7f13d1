// Reading storage without the rank, for the time that it does not answer. Many nodes whose ranks died must
// not fall on the file system at once: few threads, at a pace that counts operations of storage and is the
// node's (node_pace.h). One thread; nothing here blocks.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "fuse_frontend/rank/node_pace.h"
#include "service/storage/storage.h"
#include "tree/key.h"

namespace copper {

struct DirectOptions {
  std::chrono::milliseconds freshness{0};  // of its answers
  std::size_t threads = 1;
  std::string mount;  // our own; other mounts of ours on this host are found
  LocalTrees local;
};

class Direct {
 public:
  // `wake` is called, on any thread, when take() has something. `pace` outlives this.
  Direct(const DirectOptions& options, NodePace& pace, std::function<void()> wake);

  // Who asks in a later epoch of the view than the read under way began in waits for another one.
  void read(const Key& key, std::uint64_t client, std::uint64_t epoch, Instant now);

  // Begins what may begin by now; when the next may, where one waits.
  void go_on(Instant now);
  std::optional<Instant> due(Instant now);

  // What storage said, and whom to tell, if anybody.
  struct Taken {
    Loaded loaded;
    std::vector<std::uint64_t> clients;
  };
  std::optional<Taken> take(Instant now);

 private:
  HeapMemory memory_;
  PosixStorage storage_;
  NodePace& pace_;
  std::deque<Key> line_;  // to be read when the pace allows
  struct Waiting {
    std::uint64_t epoch = 0;  // in which the read began
    std::vector<std::uint64_t> clients;
    std::vector<std::uint64_t> later;
  };
  std::unordered_map<Key, Waiting, KeyHash> waiting_;
};

}  // namespace copper
