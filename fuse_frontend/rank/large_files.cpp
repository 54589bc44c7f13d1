// See large_files.h.
#include "fuse_frontend/rank/large_files.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "fuse_frontend/count.h"
#include "tree/limits.h"

namespace copper {
namespace {

using limits::block_bytes;

Key file_of(const Key& block) { return Key::file_block(block.path, 0, block.version); }

// A part of them, which keeps the whole.
Bytes part(const Bytes& bytes, Range range) {
  return {std::shared_ptr<const std::byte>(bytes.owner(), bytes.data() + range.begin),
          range.end - range.begin};
}

}  // namespace

std::optional<Bytes> LargeFiles::read(const Key& key, Range range, const Done& done) {
  std::vector<Key> to_load;
  std::optional<Bytes> found;
  bool as_asked = false;
  {
    const std::lock_guard lock(mutex_);
    const auto order = EntryReader::racy(key.version.ctime_ns) ? Order{} : this->order(key, range);
    auto known = index_.find(key);
    if (known == index_.end() && order.whole && make_room(true)) {
      known = index_.emplace(key, hold(key, true)).first;
      to_load.push_back(key);
    }
    as_asked = known == index_.end();
    if (!as_asked) {
      auto& held = *known->second;
      held_.splice(held_.begin(), held_, known->second);
      held.used = true;
      if (held.bytes) {
        found = part(*held.bytes, range);
      } else {
        held.waiters.push_back({range, done});
      }
    }
    if (order.ahead) read_ahead(key, to_load);
  }
  for (const auto& block : to_load) load(block);
  if (as_asked && !pool_.post([this, key, range, done] { done(read_now(key, range)); })) done(Errno{EAGAIN});
  return found;
}

// Requests of one reader may come in another order than they were made: several threads take them.
LargeFiles::Order LargeFiles::order(const Key& key, Range range) {
  const auto start = std::uint64_t{key.block} * block_bytes;
  const auto begin = start + range.begin;
  const auto end = start + range.end;
  const auto file = file_of(key);
  auto watched = std::ranges::find(watched_, file, &File::key);
  if (watched == watched_.end()) {
    if (watched_.size() == files_watched) watched_.pop_back();
    watched_.push_front({.key = file});
    watched = watched_.begin();
  } else {
    watched_.splice(watched_.begin(), watched_, watched);
  }
  for (auto& run : watched->runs) {
    if (run.end == 0 || begin > run.end + block_bytes || begin + block_bytes < run.end) continue;
    run.begin = std::min(run.begin, begin);
    run.end = std::max(run.end, end);
    const auto length = run.end - run.begin;
    return {.whole = run.begin == 0 || length >= run_bytes, .ahead = length >= long_run_bytes};
  }
  watched->runs[watched->next_run] = {begin, end};
  watched->next_run = (watched->next_run + 1) % runs_watched;
  return {.whole = begin == 0, .ahead = false};
}

LargeFiles::HeldAt LargeFiles::hold(const Key& key, bool used) {
  held_.push_front({.key = key, .bytes = {}, .waiters = {}, .used = used});
  return held_.begin();
}

// What was read ahead and not used yet gives way to a request only.
bool LargeFiles::make_room(bool for_request) {
  if (held_.size() < held_blocks) return true;
  for (const bool used : {true, false}) {
    if (!used && !for_request) return false;
    const auto last = std::find_if(held_.rbegin(), held_.rend(),
                                   [used](const Held& held) { return held.bytes && held.used == used; });
    if (last == held_.rend()) continue;
    index_.erase(last->key);
    held_.erase(std::next(last).base());
    return true;
  }
  return false;
}

void LargeFiles::read_ahead(const Key& key, std::vector<Key>& to_load) {
  for (std::uint32_t n = 1; n <= blocks_ahead; ++n) {
    auto next = key;
    next.block += n;
    if (!FileReader::block_size(next)) return;
    if (index_.contains(next)) continue;
    if (!make_room(false)) return;
    index_.emplace(next, hold(next, false));
    to_load.push_back(std::move(next));
  }
}

void LargeFiles::load(const Key& key) {
  const Range whole{0, *FileReader::block_size(key)};
  if (!pool_.post([this, key, whole] { settle(key, read_now(key, whole)); })) settle(key, Errno{EAGAIN});
}

// On a reader thread.
Result<Bytes> LargeFiles::read_now(const Key& key, Range range) {
  const auto size = range.end - range.begin;
  const std::shared_ptr<std::byte> room(new std::byte[size], std::default_delete<std::byte[]>());
  if (const auto error = files_.read(key, range.begin, {room.get(), size})) return *error;
  count(header_, segment::FuseCounter::fuse_large_loads);
  count(header_, segment::FuseCounter::fuse_large_bytes, size);
  return Bytes(room, size);
}

void LargeFiles::settle(const Key& key, const Result<Bytes>& bytes) {
  std::vector<Waiter> waiters;
  {
    const std::lock_guard lock(mutex_);
    const auto known = index_.find(key);  // there: only what has been read gives way
    waiters.swap(known->second->waiters);
    if (bytes.ok()) {
      known->second->bytes = *bytes;
    } else {
      held_.erase(known->second);
      index_.erase(known);
    }
  }
  for (const auto& waiter : waiters) {
    waiter.done(bytes.ok() ? Result<Bytes>(part(*bytes, waiter.range)) : Result<Bytes>(bytes.error()));
  }
}

}  // namespace copper
