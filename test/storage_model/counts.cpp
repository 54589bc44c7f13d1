// The table of questions, and the arithmetic of "read again": a set of disjoint byte ranges for each file.
#include "test/storage_model/counts.h"

#include <algorithm>

namespace copper::storage_model {
namespace {

constexpr std::array<std::string_view, op_count> names = {"lookup",  "getattr", "open",     "read",
                                                          "opendir", "readdir", "readlink", "statfs"};

// Adds [begin, end) to the ranges; returns how many of its bytes were there already.
std::uint64_t add_range(std::map<std::uint64_t, std::uint64_t>& ranges, std::uint64_t begin,
                        std::uint64_t end) {
  std::uint64_t again = 0;
  auto new_begin = begin;
  auto new_end = end;
  auto it = ranges.upper_bound(begin);
  if (it != ranges.begin() && std::prev(it)->second >= begin) --it;
  while (it != ranges.end() && it->first <= end) {
    const auto overlap_begin = std::max(begin, it->first);
    const auto overlap_end = std::min(end, it->second);
    if (overlap_end > overlap_begin) again += overlap_end - overlap_begin;
    new_begin = std::min(new_begin, it->first);
    new_end = std::max(new_end, it->second);
    it = ranges.erase(it);
  }
  ranges.emplace(new_begin, new_end);
  return again;
}

std::uint64_t blocks_in(const std::map<std::uint64_t, std::uint64_t>& ranges) {
  std::uint64_t blocks = 0;
  std::uint64_t next = 0;  // the first block not counted yet
  for (const auto& [begin, end] : ranges) {
    const auto first = std::max(next, begin / block_bytes);
    const auto last = (end - 1) / block_bytes;
    if (last >= first) blocks += last - first + 1;
    next = std::max(next, last + 1);
  }
  return blocks;
}

}  // namespace

std::string_view name(Op op) { return names[static_cast<std::size_t>(op)]; }

std::optional<Op> op_named(std::string_view name) {
  const auto* const it = std::find(names.begin(), names.end(), name);
  if (it == names.end()) return std::nullopt;
  return static_cast<Op>(it - names.begin());
}

void Counts::asked(Op op, const std::string& path) {
  const std::lock_guard lock(mutex_);
  ++records_[path].count.asked[static_cast<std::size_t>(op)];
}

void Counts::absent(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ++records_[path].count.absent;
}

void Counts::handed_over(const std::string& path, const FileVersion& version, std::uint64_t offset,
                         std::uint64_t bytes) {
  if (bytes == 0) return;
  const std::lock_guard lock(mutex_);
  auto& record = records_[path];
  if (record.version != version) {
    record.version = version;
    record.read.clear();
  }
  record.count.bytes += bytes;
  record.count.bytes_again += add_range(record.read, offset, offset + bytes);
}

std::map<std::string, PathCount> Counts::all() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, PathCount> result;
  for (const auto& [path, record] : records_) {
    result.emplace(path, record.count).first->second.blocks = blocks_in(record.read);
  }
  return result;
}

void Counts::reset() {
  const std::lock_guard lock(mutex_);
  records_.clear();
}

}  // namespace copper::storage_model
