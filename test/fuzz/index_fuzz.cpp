// What a front end finds without asking, in the index and the arena of a rank that is alive, dead, or wrote
// anything; and what the rank's successor takes of it. Input: blocks; then steps, the last bits of each one's
// first byte saying what it is.
#include <map>
#include <vector>

#include "fuse_frontend/rank/rank_cache.h"
#include "service/arena.h"
#include "service/segment_index.h"
#include "test/fuzz/fuzz_blocks.h"

namespace copper {
namespace {

using segment::BlockHeader;

class Rig {
 public:
  explicit Rig(Segment& segment) : segment_(segment), index_(segment.index()), cache_(segment) {}

  // So few that none pushes another out of the index.
  void blocks(FuzzInput& input) {
    std::size_t end = 0;
    for (auto n = input.byte() % segment::index_ways; n > 0; --n) {
      const auto at = end;
      end = write_block(segment_.arena(), at, input);
      if (end == at) break;
      const auto& head = header_at(at);
      const bool whole = head.magic == segment::block_magic && head.span == end - at &&
                         description_of(segment_.arena().subspan(at, end - at));
      if (auto key = key_at(at)) kept_.push_back({std::move(*key), at, head.bytes, whole});
    }
    kept_.push_back({Key::entry("/lib/absent"), end, 0, false});
  }

  void step(std::uint8_t what, FuzzInput& input) {
    const auto& one = kept_[what / 8 % kept_.size()];
    const auto& other = what % 8 == 0 ? kept_[input.byte() % kept_.size()] : one;
    switch (what % 8) {
      case 0:
        show(one.key, other.at, Duration{input.byte()});
        break;
      case 1:
        index_.erase(KeyHash{}(one.key));
        shown_.erase(KeyHash{}(one.key));
        break;
      case 2:
        write_slot(one.key, what, input);
        break;
      case 3: {
        const auto at = input.take<std::uint32_t>() % (fuzz_arena_bytes - 16);
        const auto bytes = input.bytes(1 + input.byte() % 16);
        std::memcpy(segment_.arena().data() + at, bytes.data(), bytes.size());
        honest_ = false;
        break;
      }
      case 4:
        segment_.header().arena_bytes_committed = input.take<std::uint64_t>();
        honest_ = false;
        break;
      default: {
        const Duration now{input.byte()};
        find(one, now, now.count() >= 64 ? limits::block_bytes : input.byte());
        break;
      }
    }
  }

  // A successor adopts what was shown, and bytes are never another key's.
  void end() {
    segment_.header().arena_bytes_committed = fuzz_arena_bytes;
    SegmentIndex successor(segment_);
    Arena arena(segment_);
    std::vector<Bytes> adopted;
    (void)arena.scan([&](const Key& key, const Bytes& bytes, Tag tag) {
      const auto former = successor.former(key, bytes, tag);
      must(!former || former->value->data() == bytes.data(), "what it adopts is what it found");
      adopted.push_back(bytes);
    });
    successor.end_former();
    for (const auto& one : kept_)
      must(!cache_.find(one.key, 0, {}, limits::block_bytes), "what nobody adopts is shown no more");
  }

 private:
  struct Kept {
    Key key;
    std::uint64_t at;
    std::uint64_t bytes;
    bool whole;
  };

  void show(const Key& key, std::uint64_t at, Duration fresh) {
    index_.insert(KeyHash{}(key), at, fresh.count());
    shown_[KeyHash{}(key)] = {at, fresh};
  }

  // Any slot, any field; or the key's own hash, in a slot of its bucket.
  void write_slot(const Key& key, std::uint8_t what, FuzzInput& input) {
    const auto buckets = index_of(segment_);
    const auto hash = KeyHash{}(key);
    const auto where = input.byte();
    auto& slot = (where >= 128 ? buckets[hash % buckets.size()] : buckets[where / 8 % buckets.size()])
                     .slots[where % segment::index_ways];
    if (what >= 128) slot.hash = hash;
    const auto fields = input.byte();
    if (fields & 1) slot.sequence = input.take<std::uint64_t>();
    if (fields & 2) slot.block = input.take<std::uint64_t>();
    if (fields & 4) slot.fresh_until_ns = input.take<std::int64_t>();
    if (fields & 8) slot.hash = input.take<std::uint64_t>();
    honest_ = false;
  }

  void find(const Kept& one, Duration now, std::size_t bytes_max) {
    const auto have = now.count() % 4 == 0 ? header_at(one.at).tag : Tag{0};
    const auto found = cache_.find(one.key, have, Instant{now}, bytes_max);
    if (honest_) look(one, found.has_value(), now, have != 0 ? limits::block_bytes : bytes_max);
    if (!found) return;
    must(found->fresh_until > Instant{now}, "what is found is fresh");
    if (!found->value.ok())
      return must(number(found->value.error()) == EIO, "what is damaged, and no more, is an error");
    const auto& bytes = *found->value;
    if (found->unchanged) return must(bytes.size() == 0 && found->tag == have, "nothing is given twice");
    must(bytes.size() <= bytes_max, "it is no longer than wanted");
    touch(bytes.span());
    must(is_anywhere(one.key, bytes), "some block says that these are the key's bytes");
  }

  void look(const Kept& one, bool found, Duration now, std::size_t bytes_max) {
    const auto shown = shown_.find(KeyHash{}(one.key));
    const bool there =
        shown != shown_.end() && shown->second.at == one.at && shown->second.fresh > now && one.whole;
    if (there && one.bytes <= bytes_max) must(found, "what is shown is found");
    if (shown == shown_.end()) must(!found, "what is not shown is not found");
  }

  // As its header has it, whole or not.
  std::optional<Key> key_at(std::size_t offset) const {
    const auto& head = header_at(offset);
    const auto arena = segment_.arena().subspan(offset + sizeof head);
    if (head.path_bytes == 0 || head.path_bytes > arena.size()) return std::nullopt;
    const std::string_view path(reinterpret_cast<const char*>(arena.data()), head.path_bytes);
    Key key{static_cast<Kind>(head.key_kind), head.number, path, head.version};
    return valid(key) ? std::optional(std::move(key)) : std::nullopt;
  }

  const BlockHeader& header_at(std::uint64_t offset) const {
    const auto last = fuzz_arena_bytes - segment::block_alignment * 4;
    return *reinterpret_cast<const BlockHeader*>(segment_.arena().data() +
                                                 std::min<std::uint64_t>(offset, last));
  }

  // In what is committed; written without what is tested.
  bool is_anywhere(const Key& key, const Bytes& bytes) const {
    const auto arena = segment_.arena().first(
        std::min<std::uint64_t>(segment_.header().arena_bytes_committed, fuzz_arena_bytes));
    const auto& path = key.path.str();
    const auto data = segment::data_offset(path.size());
    for (std::size_t at = 0; at + data + bytes.size() <= arena.size(); at += segment::block_alignment) {
      const auto& head = *reinterpret_cast<const BlockHeader*>(arena.data() + at);
      if (head.magic != segment::block_magic || head.path_bytes != path.size() ||
          head.key_kind != static_cast<std::uint8_t>(key.kind) || head.number != key.block ||
          head.version != key.version || head.bytes != bytes.size() || data + bytes.size() > head.span)
        continue;
      if (std::memcmp(arena.data() + at + sizeof head, path.data(), path.size()) == 0 &&
          (bytes.size() == 0 || std::memcmp(arena.data() + at + data, bytes.data(), bytes.size()) == 0))
        return true;
    }
    return false;
  }

  struct Shown {
    std::uint64_t at = 0;
    Duration fresh{};
  };

  Segment& segment_;
  SharedIndex index_;
  RankCache cache_;
  std::vector<Kept> kept_;
  std::map<std::uint64_t, Shown> shown_;  // by hash
  bool honest_ = true;                    // only a rank has written
};

}  // namespace
}  // namespace copper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return copper::fuzz_steps<copper::Rig>(data, size);
}
