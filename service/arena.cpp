// Every change of the chain is ordered so that a walk meets a whole chain after each single store: a split
// writes the new block's header before the old span shrinks, a merge is one store, and memory just committed
// is all zeros, which a walk takes for a free block up to the end.
#include "service/arena.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "service/segment/block.h"
#include "tree/assert.h"

namespace copper {
namespace {

using segment::align_up;
using segment::block_alignment;
using segment::BlockHeader;
using segment::BlockState;
using segment::page_bytes;

constexpr std::uint64_t span_min = segment::data_offset(0);
constexpr std::uint32_t every_lease = UINT32_MAX;  // ends with its worker alone

std::uint32_t number(BlockState state) { return static_cast<std::uint32_t>(state); }

}  // namespace

class Arena::Impl : public std::enable_shared_from_this<Arena::Impl> {
 public:
  explicit Impl(Segment& segment) : segment_(&segment), region_(segment.arena()) {
    committed_ = segment.arena_committed();
    committed_ -= committed_ % block_alignment;
    if (committed_ < span_min) committed_ = 0;
    walk();
  }

  std::optional<Buffer> allocate(const Key* key, std::size_t size) {
    on_its_thread();
    const std::size_t path_bytes = key != nullptr ? key->path.size() : 0;
    ensure(path_bytes <= limits::path_bytes, "a path has at most limits::path_bytes");
    if (size > region_.size()) return std::nullopt;
    const std::uint64_t need = span_of(path_bytes, size);
    auto fit = free_.lower_bound({need, 0});
    if (fit == free_.end()) {
      if (!grow(need)) return std::nullopt;
      fit = free_.lower_bound({need, 0});
    }
    const std::uint64_t offset = fit->second;
    take(offset, need);

    BlockHeader& head = header(offset);
    head.bytes = size;
    head.tag = 0;
    head.version = key != nullptr ? key->version : Version{};
    head.number = key != nullptr ? key->block : 0;
    head.path_bytes = static_cast<std::uint16_t>(path_bytes);
    head.key_kind = key != nullptr ? static_cast<std::uint8_t>(key->kind) : std::uint8_t{0};
    if (path_bytes > 0)
      std::memcpy(region_.data() + offset + sizeof head, key->path.str().data(), path_bytes);
    return Buffer(hold(offset, segment::data_offset(path_bytes)), size);
  }

  Bytes seal(Buffer buffer, Tag tag) {
    on_its_thread();
    const auto offset = block_with_data(buffer.data());
    ensure(offset.has_value(), "only what this arena allocated is sealed by it");
    Block& block = blocks_.at(*offset);
    ensure(block.state == BlockState::filling, "a buffer is sealed once");
    header(*offset).tag = tag;
    tag_description(header(*offset));
    set_state(*offset, block, BlockState::ready);
    return Bytes(buffer.owner(), buffer.size());
  }

  std::size_t scan(const std::function<void(Key, Bytes, Tag)>& found) {
    std::size_t damaged = damaged_chain_ ? 1 : 0;
    std::vector<std::uint64_t> left;
    for (const auto& [offset, block] : blocks_) {
      if (block.state != BlockState::free && !block.held) left.push_back(offset);
    }
    for (const auto offset : left) {
      const bool ready = blocks_.at(offset).state == BlockState::ready;
      auto said = ready ? description_of(block_at(offset)) : std::nullopt;
      const bool whole = said && tag_of(block_at(offset).subspan(said->data, said->bytes)) == said->tag;
      if (ready && !whole) ++damaged;
      if (!whole || said->key.path.size() == 0) {
        free_unless_used(offset);
      } else {
        found(std::move(said->key), Bytes(hold(offset, said->data), said->bytes), said->tag);
      }
    }
    return damaged;
  }

  std::optional<std::uint64_t> block_with_data(const std::byte* data) const {
    if (data < region_.data() || data >= region_.data() + committed_) return std::nullopt;
    const auto after = blocks_.upper_bound(static_cast<std::uint64_t>(data - region_.data()));
    if (after == blocks_.begin()) return std::nullopt;
    const auto& [offset, block] = *std::prev(after);
    const bool begins = block.held && region_.data() + offset + block.data == data;
    return begins ? std::optional(offset) : std::nullopt;
  }

  void lease(std::uint64_t offset, std::uint32_t generation) {
    Block& block = blocks_.at(offset);
    ensure(block.state == BlockState::ready && block.held, "a lease is on bytes that exist");
    if (block.lease_generation != generation) set_leases(offset, block, 0, generation);
    if (block.leases < every_lease) set_leases(offset, block, block.leases + 1, generation);
  }

  bool leased(const Bytes& bytes) const {
    const auto block = block_with_data(bytes.data());
    return block && blocks_.at(*block).leases > 0;
  }

  bool release(std::uint64_t offset) {
    const auto found = blocks_.find(offset);
    if (found == blocks_.end() || found->second.leases == 0) return false;
    Block& block = found->second;
    if (block.leases == every_lease) return true;
    set_leases(offset, block, block.leases - 1, block.lease_generation);
    free_unless_used(offset);
    return true;
  }

  void end_leases(std::uint32_t generation) {
    std::vector<std::uint64_t> ended;
    for (auto& [offset, block] : blocks_) {
      if (block.leases == 0 || block.lease_generation == generation) continue;
      set_leases(offset, block, 0, block.lease_generation);
      ended.push_back(offset);
    }
    for (const auto offset : ended) free_unless_used(offset);
  }

  std::size_t budget() const { return region_.size(); }
  std::size_t used() const { return committed_ - free_bytes_; }
  std::size_t committed() const { return committed_; }

 private:
  // What the rank believes of a block; its header says the same for others.
  struct Block {
    std::uint64_t span = 0;
    BlockState state = BlockState::free;
    bool held = false;       // by a Buffer or Bytes
    std::uint64_t data = 0;  // where its data begin, from its header; known while held
    std::uint32_t leases = 0;
    std::uint32_t lease_generation = 0;
  };
  using Blocks = std::map<std::uint64_t, Block>;

  BlockHeader& header(std::uint64_t offset) const {
    return *reinterpret_cast<BlockHeader*>(region_.data() + offset);
  }
  std::span<const std::byte> block_at(std::uint64_t offset) const {
    return region_.subspan(offset, blocks_.at(offset).span);
  }

  void on_its_thread() const { ensure(std::this_thread::get_id() == thread_, "an arena has one thread"); }

  // ---- the chain as found ----

  // Reads the chain into the index, as far as it holds.
  void walk() {
    std::uint64_t last = 0;
    for (std::uint64_t offset = 0; offset < committed_;) {
      if (committed_ - offset < span_min) return give_up_from(last);
      const BlockHeader& head = header(offset);
      const std::uint32_t magic = head.magic;
      if (magic == 0 && untouched(offset)) return append_free(offset, committed_ - offset);
      const std::uint64_t span = head.span.load(std::memory_order_relaxed);
      const std::uint32_t state = head.state.load(std::memory_order_acquire);
      if (magic != segment::block_magic || span % block_alignment != 0 || span < span_min ||
          span > committed_ - offset || state > number(BlockState::ready)) {
        return give_up_from(last);
      }
      last = offset;
      if (state == number(BlockState::free)) {
        append_free(offset, span);
        last = std::prev(blocks_.end())->first;
      } else {
        const auto said =
            state == number(BlockState::ready) ? description_of(region_.subspan(offset, span)) : std::nullopt;
        if (said && !spans(span, *said)) return give_up_from(offset);
        const Block block{.span = span,
                          .state = static_cast<BlockState>(state),
                          .leases = head.leases.load(std::memory_order_relaxed),
                          .lease_generation = head.lease_generation};
        blocks_.emplace_hint(blocks_.end(), offset, block);
      }
      offset += span;
    }
  }

  // Was it committed by one who died before a header was written there?
  bool untouched(std::uint64_t offset) const {
    const auto rest = region_.subspan(offset, committed_ - offset);
    return rest[0] == std::byte{0} && std::memcmp(rest.data(), rest.data() + 1, rest.size() - 1) == 0;
  }

  // Where the chain is damaged, no block is known from the one on that led there; the front end may have
  // leases on some. So all of it stays as it is for as long as that worker lives (0: there was none yet).
  void give_up_from(std::uint64_t offset) {
    damaged_chain_ = true;
    if (const auto block = blocks_.find(offset); block != blocks_.end()) {
      if (block->second.state == BlockState::free) unnote_free(block);
      blocks_.erase(block);
    }
    const std::uint32_t worker = segment_->header().worker_generation.load(std::memory_order_acquire);
    if (worker == 0) return append_free(offset, committed_ - offset);
    write_free(offset, committed_ - offset);
    Block& rest = blocks_.insert_or_assign(offset, Block{.span = committed_ - offset}).first->second;
    set_leases(offset, rest, every_lease, worker);
    set_state(offset, rest, BlockState::filling);
  }

  // ---- the chain as changed ----

  void set_state(std::uint64_t offset, Block& block, BlockState state) {
    block.state = state;
    header(offset).state.store(number(state), std::memory_order_release);
  }

  void set_leases(std::uint64_t offset, Block& block, std::uint32_t leases, std::uint32_t generation) {
    block.leases = leases;
    block.lease_generation = generation;
    header(offset).lease_generation = generation;
    header(offset).leases.store(leases, std::memory_order_release);
  }

  void write_free(std::uint64_t offset, std::uint64_t span) {
    BlockHeader& head = header(offset);
    head.span.store(span, std::memory_order_relaxed);
    head.state.store(number(BlockState::free), std::memory_order_relaxed);
    head.leases.store(0, std::memory_order_relaxed);
    std::atomic_ref(head.magic).store(segment::block_magic, std::memory_order_release);
  }

  Blocks::iterator note_free(std::uint64_t offset, std::uint64_t span) {
    free_.insert({span, offset});
    free_bytes_ += span;
    return blocks_.insert_or_assign(offset, Block{.span = span}).first;
  }

  void unnote_free(Blocks::iterator block) {
    free_.erase({block->second.span, block->first});
    free_bytes_ -= block->second.span;
  }

  // Free memory at the end of the chain as known so far.
  void append_free(std::uint64_t offset, std::uint64_t span) {
    if (!blocks_.empty() && std::prev(blocks_.end())->second.state == BlockState::free) {
      const auto last = std::prev(blocks_.end());
      const std::uint64_t begin = last->first;
      const std::uint64_t merged = last->second.span + span;
      unnote_free(last);
      header(begin).span.store(merged, std::memory_order_release);
      note_free(begin, merged);
    } else {
      write_free(offset, span);
      note_free(offset, span);
    }
  }

  // Commits memory until a free block of `need` bytes ends the chain.
  bool grow(std::uint64_t need) {
    std::uint64_t tail = 0;
    if (!blocks_.empty()) {
      const auto& last = std::prev(blocks_.end())->second;
      if (last.state == BlockState::free) tail = last.span;
    }
    const std::uint64_t missing = need - tail;
    const std::uint64_t room = region_.size() - committed_;
    if (missing > room) return false;
    std::uint64_t more = std::min<std::uint64_t>(align_up(missing, step_), room);
    if (!segment_->commit_arena(committed_ + more)) {
      if (step_ == page_bytes) return false;
      step_ = page_bytes;  // shared memory is full: from here on only what is needed is asked for
      more = std::min<std::uint64_t>(align_up(missing, step_), room);
      if (!segment_->commit_arena(committed_ + more)) return false;
    }
    const std::uint64_t offset = committed_;
    committed_ += more;
    append_free(offset, more);
    return true;
  }

  // Makes the free block at `offset` one of `need` bytes that is being filled; the rest stays free.
  void take(std::uint64_t offset, std::uint64_t need) {
    const auto found = blocks_.find(offset);
    unnote_free(found);
    Block& block = found->second;
    if (block.span - need >= span_min) {
      write_free(offset + need, block.span - need);
      note_free(offset + need, block.span - need);
      block.span = need;
      header(offset).span.store(need, std::memory_order_release);
    }
    set_leases(offset, block, 0, 0);
    set_state(offset, block, BlockState::filling);
  }

  // The reference whose end frees the block, leases aside. It keeps the index alive.
  std::shared_ptr<std::byte> hold(std::uint64_t offset, std::uint64_t data) {
    Block& block = blocks_.at(offset);
    block.held = true;
    block.data = data;
    return std::shared_ptr<std::byte>(region_.data() + offset + data,
                                      [self = shared_from_this(), offset](std::byte*) {
                                        self->on_its_thread();
                                        self->blocks_.at(offset).held = false;
                                        self->free_unless_used(offset);
                                      });
  }

  void free_unless_used(std::uint64_t offset) {
    auto block = blocks_.find(offset);
    if (block->second.held || block->second.leases > 0) return;
    set_state(offset, block->second, BlockState::free);
    std::uint64_t begin = offset;
    std::uint64_t span = block->second.span;
    if (const auto next = std::next(block); next != blocks_.end() && next->second.state == BlockState::free) {
      span += next->second.span;
      unnote_free(next);
      blocks_.erase(next);
    }
    header(offset).span.store(span, std::memory_order_release);
    if (block != blocks_.begin() && std::prev(block)->second.state == BlockState::free) {
      const auto previous = std::prev(block);
      begin = previous->first;
      span += previous->second.span;
      unnote_free(previous);
      blocks_.erase(block);
      header(begin).span.store(span, std::memory_order_release);
    }
    note_free(begin, span);
  }

  Segment* segment_;
  std::span<std::byte> region_;
  std::uint64_t committed_ = 0;
  bool damaged_chain_ = false;
  std::uint64_t step_ = arena_step_bytes;
  Blocks blocks_;                                           // all, by offset
  std::set<std::pair<std::uint64_t, std::uint64_t>> free_;  // the free ones: span, offset
  std::uint64_t free_bytes_ = 0;
  std::thread::id thread_ = std::this_thread::get_id();
};

Arena::Arena(Segment& segment) : impl_(std::make_shared<Impl>(segment)) {}
Arena::~Arena() = default;

std::optional<Buffer> Arena::allocate(const Key& key, std::size_t size) {
  return impl_->allocate(&key, size);
}
Bytes Arena::seal(Buffer buffer, Tag tag) { return impl_->seal(std::move(buffer), tag); }
std::size_t Arena::scan(const std::function<void(Key, Bytes, Tag)>& found) { return impl_->scan(found); }

std::optional<Bytes> Arena::copy(std::string_view text) {
  auto buffer = impl_->allocate(nullptr, text.size());
  if (!buffer) return std::nullopt;
  if (!text.empty()) std::memcpy(buffer->data(), text.data(), text.size());
  const Tag tag = tag_of(buffer->span());
  return impl_->seal(std::move(*buffer), tag);
}

std::optional<std::uint64_t> Arena::block_of(const Bytes& bytes) const {
  return impl_->block_with_data(bytes.data());
}
void Arena::lease(std::uint64_t block, std::uint32_t worker_generation) {
  impl_->lease(block, worker_generation);
}
bool Arena::leased(const Bytes& bytes) const { return impl_->leased(bytes); }
bool Arena::release(std::uint64_t block) { return impl_->release(block); }
void Arena::end_leases(std::uint32_t worker_generation) { impl_->end_leases(worker_generation); }

std::size_t Arena::budget() const { return impl_->budget(); }
std::size_t Arena::used() const { return impl_->used(); }
std::size_t Arena::committed() const { return impl_->committed(); }

}  // namespace copper
