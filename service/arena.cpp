// Every change of the chain is ordered so that a walk meets a whole chain after each single store: a split
// writes the new block's header before the old span shrinks, a merge is one store, and memory just committed
// begins with a zero header, which a walk takes for a free block up to the end.
#include "service/arena.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "tree/assert.h"

namespace copper {
namespace {

using segment::align_up;
using segment::block_alignment;
using segment::BlockHeader;
using segment::BlockState;

constexpr std::uint64_t span_min = segment::data_offset(0);

std::uint32_t number(BlockState state) { return static_cast<std::uint32_t>(state); }

}  // namespace

class Arena::Impl : public std::enable_shared_from_this<Arena::Impl> {
 public:
  explicit Impl(Segment& segment) : segment_(&segment), region_(segment.arena()) {
    committed_ = std::min<std::uint64_t>(segment.header().arena_bytes_committed.load(), region_.size());
    if (!walk()) begin_empty();
  }

  std::optional<Buffer> allocate(const Key* key, std::size_t size) {
    on_its_thread();
    const std::size_t path_bytes = key != nullptr ? key->path.size() : 0;
    ensure(path_bytes <= limits::path_bytes, "a path has at most limits::path_bytes");
    if (size > region_.size()) return std::nullopt;
    const std::uint64_t need =
        align_up(segment::data_offset(path_bytes) + std::max<std::size_t>(size, 1), block_alignment);
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
    set_state(*offset, block, BlockState::ready);
    return Bytes(buffer.owner(), buffer.size());
  }

  void scan(const std::function<void(Key, Bytes, Tag)>& found) {
    std::vector<std::uint64_t> left;
    for (const auto& [offset, block] : blocks_) {
      if (block.state != BlockState::free && !block.held) left.push_back(offset);
    }
    for (const auto offset : left) {
      const BlockHeader& head = header(offset);
      if (!intact(offset)) {
        free_unless_used(offset);
        continue;
      }
      Key key{static_cast<Kind>(head.key_kind), head.number, path_of(head), head.version};
      const std::size_t size = head.bytes;
      found(std::move(key), Bytes(hold(offset, segment::data_offset(head.path_bytes)), size), head.tag);
    }
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
    set_leases(offset, block, block.leases + 1, generation);
  }

  bool leased(const Bytes& bytes) const {
    const auto block = block_with_data(bytes.data());
    return block && blocks_.at(*block).leases > 0;
  }

  bool release(std::uint64_t offset) {
    const auto found = blocks_.find(offset);
    if (found == blocks_.end() || found->second.leases == 0) return false;
    Block& block = found->second;
    set_leases(offset, block, block.leases - 1, block.lease_generation);
    free_unless_used(offset);
    return true;
  }

  void end_leases(std::uint32_t generation) {
    std::vector<std::uint64_t> ended;
    for (auto& [offset, block] : blocks_) {
      if (block.leases == 0 || block.lease_generation >= generation) continue;
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
  static std::string_view path_of(const BlockHeader& head) {
    return {reinterpret_cast<const char*>(&head + 1), head.path_bytes};
  }

  void on_its_thread() const { ensure(std::this_thread::get_id() == thread_, "an arena has one thread"); }

  // ---- the chain as found ----

  // Reads the chain into the index; false where it is damaged.
  bool walk() {
    for (std::uint64_t offset = 0; offset < committed_;) {
      if (committed_ - offset < span_min) return false;
      const BlockHeader& head = header(offset);
      if (head.magic == 0) {
        append_free(offset, committed_ - offset);
        break;
      }
      const std::uint64_t span = head.span.load(std::memory_order_relaxed);
      const std::uint32_t state = head.state.load(std::memory_order_acquire);
      if (head.magic != segment::block_magic || span % block_alignment != 0 || span < span_min ||
          span > committed_ - offset || state > number(BlockState::ready)) {
        return false;
      }
      if (state == number(BlockState::free)) {
        append_free(offset, span);
      } else {
        const Block block{.span = span,
                          .state = static_cast<BlockState>(state),
                          .leases = head.leases.load(std::memory_order_relaxed),
                          .lease_generation = head.lease_generation};
        blocks_.emplace_hint(blocks_.end(), offset, block);
      }
      offset += span;
    }
    return true;
  }

  void begin_empty() {
    blocks_.clear();
    free_.clear();
    free_bytes_ = 0;
    committed_ -= committed_ % block_alignment;
    if (committed_ > 0) append_free(0, committed_);
  }

  bool intact(std::uint64_t offset) const {
    const BlockHeader& head = header(offset);
    const Block& block = blocks_.at(offset);
    if (block.state != BlockState::ready) return false;
    if (head.path_bytes == 0 || head.path_bytes > limits::path_bytes) return false;
    const std::uint64_t data = segment::data_offset(head.path_bytes);
    if (data >= block.span || head.bytes > block.span - data) return false;
    const auto path = path_of(head);
    if (path.front() != '/' || path.find('\0') != std::string_view::npos) return false;
    if (head.key_kind < static_cast<std::uint8_t>(Kind::listing) ||
        head.key_kind > static_cast<std::uint8_t>(Kind::filesystem)) {
      return false;
    }
    return tag_of({region_.data() + offset + data, head.bytes}) == head.tag;
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

  static constexpr std::uint64_t page_bytes = 4096;

  Segment* segment_;
  std::span<std::byte> region_;
  std::uint64_t committed_ = 0;
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
void Arena::scan(const std::function<void(Key, Bytes, Tag)>& found) { impl_->scan(found); }

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
