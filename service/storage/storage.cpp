// Three parties: the caller's thread, which owns the memory; the reader threads, which see views of it; and
// between them the list of what was found. A reader may still be held by storage when the rest is gone: it
// keeps Shared alive, finds it closed, and drops what it found.
#include "service/storage/storage.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <unordered_set>
#include <utility>

namespace copper {

struct PosixStorage::Shared {
  Shared(StorageOptions options, std::function<void()> wake_caller)
      : source(std::move(options)), wake(std::move(wake_caller)) {}

  Source source;
  std::mutex mutex;  // guards what follows
  std::deque<Answer> found;
  std::unordered_set<Number> begun;  // a reader may be writing into their rooms
  bool closed = false;
  std::mutex wake_mutex;  // guards `wake`, which is empty after the end
  std::function<void()> wake;

  // On a reader thread.
  void read(Number number, const Key& key, std::optional<Source::View> previous, std::span<std::byte> room) {
    {
      const std::lock_guard lock(mutex);
      if (closed) return;
      begun.insert(number);
    }
    const auto began = std::chrono::steady_clock::now();
    auto answer = source.read(key, previous, room);
    put({number, std::move(answer), std::chrono::steady_clock::now() - began});
  }

  void put(Answer answer) {
    {
      const std::lock_guard lock(mutex);
      if (closed) return;
      begun.erase(answer.number);
      found.push_back(std::move(answer));
    }
    const std::lock_guard lock(wake_mutex);
    if (wake) wake();
  }
};

PosixStorage::PosixStorage(StorageOptions options, Memory& memory, std::function<void()> wake)
    : memory_(memory), shared_(std::make_shared<Shared>(std::move(options), std::move(wake))) {}

PosixStorage::~PosixStorage() {
  shared_->source.pool().stop();
  {
    const std::lock_guard lock(shared_->wake_mutex);
    shared_->wake = nullptr;
  }
  const std::lock_guard lock(shared_->mutex);
  shared_->closed = true;
  for (auto& [number, under_way] : under_way_) {
    const bool has_memory = under_way.room.data() != nullptr || under_way.previous.has_value();
    if (has_memory && shared_->begun.contains(number)) {
      std::make_unique<UnderWay>(std::move(under_way)).release();
    }
  }
}

void PosixStorage::load(Load load) {
  auto answer = shared_->source.known(load.key);
  if (answer || load.key.kind != Kind::block) return begin(std::move(load), Buffer(), std::move(answer));
  const auto size = FileReader::block_size(load.key);
  if (!size) return begin(std::move(load), Buffer(), Found{.bytes = Errno{EINVAL}});
  if (auto room = waiting_.empty() ? memory_.allocate(load.key, *size) : std::nullopt) {
    waited_in_vain_ = false;
    return begin(std::move(load), std::move(*room), std::nullopt);
  }
  const auto patience = waited_in_vain_ ? std::chrono::milliseconds{0} : room_patience;
  waiting_.push_back({std::move(load), std::chrono::steady_clock::now() + patience});
}

// Those who wait for room, as far as there is some now.
void PosixStorage::begin_waiting() {
  while (!waiting_.empty()) {
    auto& [load, until] = waiting_.front();
    if (auto room = memory_.allocate(load.key, *FileReader::block_size(load.key))) {
      waited_in_vain_ = false;
      begin(std::move(load), std::move(*room), std::nullopt);
    } else if (std::chrono::steady_clock::now() >= until) {
      waited_in_vain_ = true;
      begin(std::move(load), Buffer(), Found{.bytes = Errno{ENOBUFS}});
    } else {
      return;
    }
    waiting_.pop_front();
  }
}

void PosixStorage::begin(Load load, Buffer room, std::optional<Found> answer) {
  const Number number{static_cast<std::uint64_t>(last_) + 1};
  last_ = number;
  std::optional<Source::View> previous;
  if (load.previous) previous = load.previous->span();
  const auto view = room.span();
  under_way_.emplace(number, UnderWay{load.key, std::move(load.previous), std::move(room)});
  if (answer) return shared_->put({number, std::move(*answer)});
  const bool posted =
      shared_->source.pool().post([shared = shared_, number, key = std::move(load.key), previous, view] {
        shared->read(number, key, previous, view);
      });
  if (!posted) shared_->put({number, Found{.bytes = Errno{EAGAIN}}});
}

std::optional<Loaded> PosixStorage::loaded() {
  begin_waiting();
  Answer next;
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->found.empty()) return std::nullopt;
    next = std::move(shared_->found.front());
    shared_->found.pop_front();
  }
  auto& [number, found, took] = next;
  UnderWay under_way = std::move(under_way_.extract(number).mapped());
  Loaded loaded{.key = std::move(under_way.key),
                .unchanged = found.unchanged,
                .tag = found.tag,
                .fresh_for = found.fresh_for,
                .looked = took.has_value()};
  if (!found.bytes) {
    loaded.value = found.bytes.error();
  } else if (found.unchanged) {
    loaded.value = std::move(*under_way.previous);
  } else if (loaded.key.kind == Kind::block) {
    loaded.value = memory_.seal(std::move(under_way.room), found.tag);
  } else {
    loaded.value = place(loaded.key, *found.bytes, found.tag);
    if (!loaded.value) {
      loaded.tag = 0;
      loaded.fresh_for = Duration::zero();
    }
  }
  if (took) {
    const bool failed = !loaded.value && !remembered(loaded.value.error());
    const auto bytes = loaded.value && !loaded.unchanged ? loaded.value->size() : 0;
    latencies_[index(loaded.key.kind)].add(static_cast<std::uint64_t>(*took / std::chrono::microseconds{1}),
                                           bytes, failed);
  }
  return loaded;
}

Result<Bytes> PosixStorage::place(const Key& key, std::span<const std::byte> bytes, Tag tag) {
  auto room = memory_.allocate(key, bytes.size());
  if (!room) return Errno{ENOBUFS};
  std::ranges::copy(bytes, room->data());
  return memory_.seal(std::move(*room), tag);
}

}  // namespace copper
