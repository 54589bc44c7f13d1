// See absent_names.h.
#include "fuse_frontend/view/absent_names.h"

#include <algorithm>
#include <cstring>

#include "service/refusal.h"
#include "tree/limits.h"

namespace copper {
namespace {

constexpr std::uint32_t names_step = 4096;  // records committed at a time

std::uint32_t committed(const Segment& segment) {
  const auto records = segment.header().absent_bytes_committed.load() / sizeof(segment::AbsentRecord);
  return static_cast<std::uint32_t>(std::min<std::size_t>(records, segment::absent_names_max));
}

bool commit(Segment& segment, std::uint32_t records) {
  return records <= segment::absent_names_max &&
         segment.commit_absent_names(records * sizeof(segment::AbsentRecord));
}

std::string_view name_of(const segment::AbsentRecord& record) {
  return {record.name.data(), std::min<std::size_t>(record.name_bytes, limits::name_bytes)};
}

Instant until_of(const segment::AbsentRecord& record) { return Instant{Duration{record.until_ns}}; }

}  // namespace

AbsentNames::AbsentNames(Segment& segment) : segment_(segment) {
  if (committed(segment) == 0 && !commit(segment, names_step)) {
    throw Refusal("shared memory is full: no room for absent names");
  }
  for (std::uint32_t number = 0; number < committed(segment); ++number) {
    if (record(number).generation.load(std::memory_order_acquire) != 0) index(number);
  }
}

void AbsentNames::clear(Segment& segment) {
  for (auto& record : segment.absent_names().first(committed(segment))) record.generation.store(0);
  segment.header().absent_next.store(0);
}

std::optional<AbsentNames::Name> AbsentNames::told(Nodeid directory, std::uint64_t generation,
                                                   std::string_view name, Instant until, Instant now) {
  if (until <= now) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (const auto names = directories_.find(generation); names != directories_.end()) {
    if (const auto known = names->second.find(name); known != names->second.end()) erase(known->second);
  }
  const auto number = next();
  auto& made = record(number);
  std::optional<Name> oldest;
  if (made.generation.load(std::memory_order_relaxed) != 0) {
    if (now < until_of(made)) oldest = Name{made.directory, std::string(name_of(made))};
    erase(number);
  }
  made.directory = directory;
  made.until_ns = until.time_since_epoch().count();
  made.name_bytes = static_cast<std::uint16_t>(name.size());
  std::memcpy(made.name.data(), name.data(), name.size());
  made.generation.store(generation, std::memory_order_release);
  index(number);
  return oldest;
}

// The ring goes round where it is as long as it may be, or can be.
std::uint32_t AbsentNames::next() {
  auto& position = segment_.header().absent_next;
  auto number = static_cast<std::uint32_t>(position.load(std::memory_order_relaxed));
  if (number >= committed(segment_) && !commit(segment_, committed(segment_) + names_step)) number = 0;
  position.store(number + 1, std::memory_order_relaxed);
  return number;
}

void AbsentNames::index(std::uint32_t number) {
  const auto& of = record(number);
  directories_[of.generation.load(std::memory_order_relaxed)][name_of(of)] = number;
}

void AbsentNames::erase(std::uint32_t number) {
  auto& gone = record(number);
  const auto names = directories_.find(gone.generation.load(std::memory_order_relaxed));
  names->second.erase(name_of(gone));
  if (names->second.empty()) directories_.erase(names);
  gone.generation.store(0, std::memory_order_release);
}

std::vector<AbsentNames::Told> AbsentNames::names(std::uint64_t generation) const {
  const std::lock_guard lock(mutex_);
  std::vector<Told> all;
  const auto names = directories_.find(generation);
  if (names == directories_.end()) return all;
  for (const auto& [name, number] : names->second)
    all.push_back({std::string(name), until_of(record(number))});
  return all;
}

void AbsentNames::dropped(std::uint64_t generation, const Told& told) {
  const std::lock_guard lock(mutex_);
  const auto names = directories_.find(generation);
  if (names == directories_.end()) return;
  const auto known = names->second.find(told.name);
  if (known != names->second.end() && until_of(record(known->second)) == told.until) erase(known->second);
}

void AbsentNames::forget(std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  const auto names = directories_.find(generation);
  if (names == directories_.end()) return;
  for (const auto& [name, number] : names->second)
    record(number).generation.store(0, std::memory_order_release);
  directories_.erase(names);
}

}  // namespace copper
