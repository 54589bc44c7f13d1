// See read.h.
#include "fuse_frontend/replies/read.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "fuse_frontend/replies/names.h"
#include "tree/limits.h"

namespace copper {
namespace {

using limits::block_bytes;

// The kernel is told that the version is gone before the reader is, so that the next open meets the new one.
constexpr auto stale_patience = std::chrono::milliseconds{100};

// The part of block n that the bytes [from, to) of the file lie in.
Range part_of(std::uint64_t n, std::uint64_t from, std::uint64_t to) {
  const auto start = n * block_bytes;
  return {std::max(from, start) - start, std::min(to, start + block_bytes) - start};
}

// One of the blocks that a read touches: `whole` is what the tree answers, a large file's part is just that.
struct Block {
  Key key;
  Range part;
  bool whole = true;
  std::optional<Asked> asked{};  // nothing: it was held
  Answered answered{};

  // What was asked for; nothing where the answer is not as long as the version says.
  std::optional<iovec> piece() const {
    const auto& bytes = *answered.value;
    const auto size = part.end - part.begin;
    if (bytes.size() != (whole ? FileReader::block_size(key) : size)) return std::nullopt;
    return iovec{const_cast<std::byte*>(bytes.data()) + (whole ? part.begin : 0), size};
  }
};

}  // namespace

Task read(Lane& lane, Request request, Nodeid id, std::size_t size, off_t offset) {
  const auto inode = lane.shared().inodes.inode(id);
  const auto path = lane.shared().inodes.path(id);
  if (!inode || !path.ok() || inode->is_directory() || offset < 0) {
    request.error(!inode ? Errno{ESTALE} : !path.ok() ? path.error() : Errno{EINVAL});
    co_return;
  }
  const auto file_bytes = inode->attributes.size;
  const auto from = std::min(static_cast<std::uint64_t>(offset), file_bytes);
  const auto to = std::min(from + std::min(size, block_bytes), file_bytes);
  if (from == to) {
    request.bytes({});
    co_return;
  }
  const auto first = from / block_bytes;
  const auto last = (to - 1) / block_bytes;  // first, or the next
  if (last > UINT32_MAX) {                   // a key cannot name that block
    request.error(Errno{EFBIG});
    co_return;
  }
  auto& large = lane.shared().large_files;
  auto& held = lane.shared().held_blocks;
  const auto now = clock_now();
  std::array<Block, 2> blocks;
  const std::span touched(blocks.data(), last - first + 1);
  for (auto n = first; n <= last; ++n) {
    auto& block = touched[n - first];
    block.key = Key::file_block(*path, static_cast<std::uint32_t>(n), inode->version());
    block.part = part_of(n, from, to);
    block.whole = !large.holds(file_bytes);
    if (const auto known = block.whole ? held.find(block.key, now) : std::nullopt) {
      block.answered = {.value = known->bytes, .fresh_until = known->fresh_until};
    } else if (block.whole) {
      block.asked.emplace(lane.questions(), request, block.key);
    } else {
      block.asked.emplace(lane.questions(), request, large, block.key, block.part);
    }
  }

  std::array<iovec, 2> pieces;
  std::size_t count = 0;
  bool asked_any = false;
  for (auto& block : touched) {
    if (block.asked) {
      auto& asked = *block.asked;
      block.answered = co_await asked;
      asked_any = true;
    }
    // Where we found the version gone, the tree is asked too: its root looks, and has everyone told.
    if (!block.whole && !block.answered.value.ok() && block.answered.value.error() == Errno{ESTALE}) {
      block.whole = true;
      auto& of_the_tree = block.asked.emplace(lane.questions(), request, block.key);
      block.answered = co_await of_the_tree;
    }
    const auto& value = block.answered.value;
    const auto part = value.ok() ? block.piece() : std::nullopt;
    if (!part) {
      const auto error = value.ok() ? Errno{EIO} : value.error();
      if (error == Errno{ESTALE}) {
        version_gone(lane, *inode);
        co_await lane.notified(stale_patience);
      }
      request.error(error);
      co_return;
    }
    pieces[count++] = *part;
    if (block.whole && !overtaken(lane, request))
      held.read(block.key, {*value, block.answered.fresh_until}, part->iov_len);
  }
  if (!asked_any) lane.count(segment::FuseCounter::fuse_from_view);
  request.bytes({pieces.data(), count});
}

Task statfs(Lane& lane, Request request, Nodeid id) {
  const auto path = lane.shared().inodes.path(id);
  if (!path.ok()) {
    request.error(path.error());
    co_return;
  }
  Asked asked(lane.questions(), request, Key::filesystem(*path));
  const auto answered = co_await asked;
  const auto filesystem = answered.value.ok() ? decode_filesystem(answered.value->span()) : std::nullopt;
  if (filesystem) {
    request.filesystem(*filesystem);
  } else {
    request.error(answered.value.ok() ? Errno{EIO} : answered.value.error());
  }
}

}  // namespace copper
