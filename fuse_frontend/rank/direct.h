// Reading storage without the rank, for the time that it does not answer: by few threads, so that many nodes
// whose ranks died do not fall on the file system at once. One thread; nothing here blocks.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

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
  // `wake` is called, on any thread, when take() has something.
  Direct(const DirectOptions& options, std::function<void()> wake);

  // Who asks in a later epoch of the view than the read under way began in waits for another one.
  void read(const Key& key, std::uint64_t client, std::uint64_t epoch);

  // What storage said, and whom to tell, if anybody.
  struct Taken {
    Loaded loaded;
    std::vector<std::uint64_t> clients;
  };
  std::optional<Taken> take();

 private:
  HeapMemory memory_;
  PosixStorage storage_;
  struct Waiting {
    std::uint64_t epoch = 0;  // in which the read began
    std::vector<std::uint64_t> clients;
    std::vector<std::uint64_t> later;
  };
  std::unordered_map<Key, Waiting, KeyHash> waiting_;
};

}  // namespace copper
