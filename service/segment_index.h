// The index that the rank keeps in the segment of what is ready in its arena, for its front end and for its
// own successor. One thread, the rank's.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "service/segment/segment.h"
#include "tree/node/store.h"

namespace copper {

class SegmentIndex final : public ReadyIndex {
 public:
  // What a former rank showed stays so until it is adopted, or not: a rank that dies meanwhile leaves it to
  // the next one.
  explicit SegmentIndex(const Segment& segment)
      : arena_(segment.arena()), shared_(segment.index()), former_(shared_.shown()) {}

  void insert(const Key& key, const Outcome& outcome) override {
    const auto block = block_of(key, outcome);
    if (!block) return;
    const auto hash = KeyHash{}(key);
    shared_.insert(hash, *block, outcome.fresh_until.time_since_epoch().count());
    former_.erase(hash);
  }
  void erase(const Key& key) override { shared_.erase(KeyHash{}(key)); }

  // What a former rank showed, as fresh as it was; nothing where it showed these bytes no more: they had
  // been cleared, overtaken or dropped.
  std::optional<Outcome> former(const Key& key, Bytes bytes, Tag tag) const {
    Outcome outcome{std::move(bytes), tag, {}};
    const auto shown = former_.find(KeyHash{}(key));
    if (shown == former_.end() || block_of(key, outcome) != shown->second.block) return std::nullopt;
    outcome.fresh_until = Instant{Duration{shown->second.fresh_until_ns}};
    return outcome;
  }
  // All has been found that is there: the rest is shown no more. Before the arena's memory changes.
  void end_former() {
    for (const auto& [hash, shown] : former_) shared_.erase(hash);
    former_.clear();
  }

 private:
  // Where the block with these bytes begins; nothing where they do not lie in the arena under their key.
  std::optional<std::uint64_t> block_of(const Key& key, const Outcome& outcome) const {
    if (!outcome.value.ok() || outcome.value->size() == 0) return std::nullopt;
    const auto* data = outcome.value->data();
    const auto before = segment::data_offset(key.path.size());
    if (data < arena_.data() + before || data >= arena_.data() + arena_.size()) return std::nullopt;
    const auto* header = reinterpret_cast<const segment::BlockHeader*>(data - before);
    if (header->magic != segment::block_magic || header->path_bytes != key.path.size()) return std::nullopt;
    return static_cast<std::uint64_t>(data - before - arena_.data());
  }

  std::span<const std::byte> arena_;
  SharedIndex shared_;
  std::unordered_map<std::uint64_t, SharedIndex::Shown> former_;  // by hash
};

}  // namespace copper
