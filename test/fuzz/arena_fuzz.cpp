// An arena that another rank left, or that something wrote over: walked, scanned, used on. Input: blocks;
// then bytes that are written over all of it, anywhere.
#include "service/arena.h"
#include "test/fuzz/fuzz_blocks.h"

namespace copper {
namespace {

using segment::BlockHeader;
using segment::BlockState;

std::size_t write_chain(Segment& segment, FuzzInput& input) {
  std::size_t end = 0;
  for (auto blocks = input.byte() % 16; blocks > 0; --blocks) {
    const auto next = write_block(segment.arena(), end, input);
    if (next == end) break;
    end = next;
  }
  return end;
}

// From outside: the blocks cover what is committed, without a gap.
void walk(const Segment& segment, std::size_t committed, std::size_t used) {
  std::size_t sum = 0;
  std::size_t offset = 0;
  while (offset < committed) {
    const auto& head = *reinterpret_cast<const BlockHeader*>(segment.arena().data() + offset);
    must(head.magic == segment::block_magic, "a block begins where the one before ends");
    const auto span = head.span.load();
    must(
        span >= segment::data_offset(0) && span % segment::block_alignment == 0 && span <= committed - offset,
        "a block has a place in the chain");
    if (head.state != static_cast<std::uint32_t>(BlockState::free)) sum += span;
    offset += span;
  }
  must(sum == used, "what is not free is used");
}

void use(Segment& segment, FuzzInput& input) {
  Arena arena(segment);
  std::vector<Bytes> kept;
  const auto begin = segment.arena().data();
  (void)arena.scan([&](const Key& key, const Bytes& bytes, Tag tag) {
    must(valid(key), "what is found can be asked");
    must(bytes.size() <= limits::block_bytes, "and sent");
    must(bytes.data() >= begin && bytes.data() + bytes.size() <= begin + arena.committed(),
         "it lies in the arena");
    must(tag_of(bytes.span()) == tag, "and is whole");
    kept.push_back(bytes);
  });
  walk(segment, arena.committed(), arena.used());
  for (int step = 0; step < 20 && !input.empty(); ++step) {
    const auto what = input.byte();
    const auto size = input.take<std::uint16_t>();
    if (what % 4 == 0 && !kept.empty()) {
      kept.erase(kept.begin() + what % static_cast<std::ptrdiff_t>(kept.size()));
    } else if (what % 4 == 1 && !kept.empty()) {
      arena.lease(*arena.block_of(kept.back()), 1);
    } else if (what % 4 == 2) {
      (void)arena.release(std::uint64_t{size} * segment::block_alignment);
    } else if (auto buffer = arena.allocate(Key::entry("/new"), size)) {
      std::memset(buffer->data(), what, buffer->size());
      const auto tag = tag_of(buffer->span());
      kept.push_back(arena.seal(std::move(*buffer), tag));
    }
    walk(segment, arena.committed(), arena.used());
  }
  kept.clear();
  arena.end_leases(1);
  arena.end_leases(2);
  must(arena.used() == 0, "all is free in the end");
  walk(segment, arena.committed(), 0);
}

}  // namespace
}  // namespace copper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace copper;
  FuzzInput input(data, size);
  auto& segment = fuzz_segment();
  renew(segment);
  const auto how = input.byte();
  segment.header().worker_generation = how % 3;
  if (how >= 128) segment.header().arena_bytes_committed = input.take<std::uint32_t>();
  const auto written = write_chain(segment, input);
  for (auto patches = how / 8 % 4; patches > 0 && written > 0; --patches) {
    const auto at = input.take<std::uint32_t>() % written;
    const auto bytes = input.bytes(input.byte() % 16);
    std::memcpy(segment.arena().data() + at, bytes.data(), std::min(bytes.size(), fuzz_arena_bytes - at));
  }
  use(segment, input);
  return 0;
}
