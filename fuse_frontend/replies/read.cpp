// See read.h.
#include "fuse_frontend/replies/read.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "tree/limits.h"

namespace copper {
namespace {

using limits::block_bytes;

// The kernel is told that the version is gone before the reader is, so that the next open meets the new one.
constexpr auto stale_patience = std::chrono::milliseconds{100};

// The part of block n that the range [from, to) of the file asks for; nothing where the block is not as long
// as the version says.
std::optional<iovec> piece(const Bytes& block, std::uint64_t n, std::uint64_t file_bytes, std::uint64_t from,
                           std::uint64_t to) {
  const auto start = n * block_bytes;
  if (block.size() != std::min<std::uint64_t>(block_bytes, file_bytes - start)) return std::nullopt;
  const auto first = std::max(from, start) - start;
  const auto last = std::min(to, start + block_bytes) - start;
  return iovec{const_cast<std::byte*>(block.data()) + first, last - first};
}

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
  const auto key = [&](std::uint64_t n) {
    return Key::file_block(*path, static_cast<std::uint32_t>(n), inode->version());
  };
  Asked asked(lane.questions(), request, key(first));
  std::optional<Asked> asked_next;
  if (last > first) asked_next.emplace(lane.questions(), request, key(last));

  std::array<Answered, 2> answers;
  std::array<iovec, 2> pieces;
  std::size_t count = 0;
  answers[0] = co_await asked;
  if (asked_next && answers[0].value.ok()) {
    auto& next = *asked_next;
    answers[1] = co_await next;
  }
  for (auto n = first; n <= last; ++n, ++count) {
    const auto& value = answers[count].value;
    const auto part = value.ok() ? piece(*value, n, file_bytes, from, to) : std::nullopt;
    if (!part) {
      const auto error = value.ok() ? Errno{EIO} : value.error();
      if (error == Errno{ESTALE}) {
        version_gone(lane, *inode);
        co_await lane.notified(stale_patience);
      }
      request.error(error);
      co_return;
    }
    pieces[count] = *part;
  }
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
