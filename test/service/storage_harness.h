// A storage reader over heap memory, asked one question at a time.
#pragma once

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "service/storage/storage.h"

namespace copper {

// The block of a listing that was loaded, which must outlive it.
inline ListingView view(const Loaded& loaded) {
  REQUIRE(loaded.value);
  return ListingView::of(loaded.value->span()).value();
}

class StorageHarness {
 public:
  explicit StorageHarness(StorageOptions options = {}) : StorageHarness(std::move(options), heap_) {}
  StorageHarness(StorageOptions options, Memory& memory)
      : storage_(std::move(options), memory, [this] { wake(); }) {}

  Loaded ask(const Key& key, std::optional<Bytes> previous = std::nullopt) {
    storage_.load({key, std::move(previous)});
    auto loaded = next();
    REQUIRE(loaded.key == key);
    if (loaded.value) CHECK(tag_of(loaded.value->span()) == loaded.tag);
    return loaded;
  }
  Errno error(const Key& key) {
    const auto loaded = ask(key);
    REQUIRE(!loaded.value);
    return loaded.value.error();
  }
  Entry entry(const std::string& path) {
    const auto loaded = ask(Key::entry(path));
    REQUIRE(loaded.value);
    return decode_entry(loaded.value->span()).value();
  }
  Version version(const std::string& path) { return entry(path).attributes.version(); }
  std::string block(const std::string& path, std::uint32_t n, const Version& version) {
    const auto loaded = ask(Key::file_block(path, n, version));
    REQUIRE(loaded.value);
    return std::string(loaded.value->text());
  }

  void load(Load load) { storage_.load(std::move(load)); }
  Loaded next() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (auto loaded = storage_.loaded()) return std::move(*loaded);
      REQUIRE(woken_.wait_for(lock, std::chrono::seconds(20), [this] { return wakes_ > 0; }));
      --wakes_;
    }
  }
  // The same without being woken: who waits for room goes on when it is looked for.
  Loaded poll() {
    for (int looks = 0; looks < 2000; ++looks) {
      if (auto loaded = storage_.loaded()) return std::move(*loaded);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL("nothing was loaded");
    std::abort();
  }

 private:
  void wake() {
    const std::lock_guard lock(mutex_);
    ++wakes_;
    woken_.notify_one();
  }

  HeapMemory heap_;
  std::mutex mutex_;
  std::condition_variable woken_;
  std::size_t wakes_ = 0;
  PosixStorage storage_;
};

}  // namespace copper
