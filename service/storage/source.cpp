// One function for each kind of key; all of them end in answer() or failed(), which give freshness.
#include "service/storage/source.h"

#include <fcntl.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "service/segment/file_descriptor.h"
#include "service/storage/listing.h"
#include "tree/limits.h"

namespace copper {
namespace {

constexpr std::size_t edition_bytes_kept = std::size_t{64} << 20;

// For how long a block is given, whose version may be of two contents while its ctime is that young.
Duration block_freshness(const Version& version) {
  return EntryReader::racy(version.ctime_ns) ? Duration(limits::racy_window) : for_the_job;
}

}  // namespace

Source::Source(StorageOptions options)
    : options_(std::move(options)),
      tree_(options_.local, options_.mounts),
      entries_(mounts_),
      editions_(edition_bytes_kept),
      files_(entries_, options_.descriptors_kept),
      pool_(options_.threads),
      directories_(tree_, entries_, mounts_, pool_, options_.attributes_ride_along) {}

std::optional<Found> Source::known(const Key& key) const {
  switch (tree_.place(key.path)) {
    case Place::mount:
      return failed(Errno{ELOOP});
    case Place::below_local:
      return failed(Errno{ENOTDIR});
    case Place::local_link:
      if (key.kind == Kind::entry) {
        return answer(encode_entry(SourceTree::link_to(key.path)), std::nullopt, freshness(false));
      }
      return failed(Errno{key.kind == Kind::block ? EINVAL : ENOTDIR});
    case Place::local_name:  // there or not: storage knows
      if (key.kind == Kind::entry) break;
      return failed(Errno{key.kind == Kind::block ? EINVAL : ENOTDIR});
    case Place::shared:
      break;
  }
  return std::nullopt;
}

Found Source::read(const Key& key, std::optional<View> previous, std::span<std::byte> room) {
  switch (key.kind) {
    case Kind::listing:
      return listing(key, previous);
    case Kind::entry:
      return entry(key, previous);
    case Kind::block:
      return block(key, previous, room);
    case Kind::filesystem:
      return filesystem(key, previous);
  }
  return failed(Errno{EINVAL});
}

Found Source::listing(const Key& key, std::optional<View> previous) {
  const std::uint64_t wanted = key.version.inode;  // the edition, of a block n > 0
  if (key.block > 0) {
    if (const auto kept = editions_.find(key.path.str(), wanted)) {
      if (key.block >= kept->size()) return failed(Errno{EINVAL});
      return answer((*kept)[key.block], previous, for_the_job);
    }
  } else if (const auto before = previous ? ListingView::of(*previous) : std::nullopt;
             before && !before->racy()) {
    const auto now = entries_.entry(AT_FDCWD, key.path.str());
    if (now && !now->racy && now->attributes == before->directory()) {
      return {.unchanged = true,
              .bytes = std::vector<std::byte>{},
              .tag = tag_of(*previous),
              .fresh_for = freshness(false)};
    }
  }
  auto sweep = directories_.sweep(key.path.str());
  if (!sweep) return failed(sweep.error());
  const bool racy = sweep->racy;
  auto blocks = encode_listing(std::move(*sweep));
  if (blocks.size() == 1 && key.block == 0) return answer(std::move(blocks[0]), previous, freshness(racy));

  const std::uint64_t edition = ListingView::of(blocks[0])->edition();
  const auto kept = std::make_shared<const std::vector<std::vector<std::byte>>>(std::move(blocks));
  if (kept->size() > 1) editions_.put(key.path.str(), edition, kept);
  if (key.block == 0) return answer((*kept)[0], previous, freshness(racy));
  if (edition != wanted) return failed(Errno{ESTALE});
  if (key.block >= kept->size()) return failed(Errno{EINVAL});
  return answer((*kept)[key.block], previous, for_the_job);
}

Found Source::entry(const Key& key, std::optional<View> previous) {
  const auto entry = entries_.entry(AT_FDCWD, key.path.str());
  if (!entry) return failed(entry.error());
  if (tree_.place(key.path) == Place::local_name) {
    return answer(encode_entry(SourceTree::link_to(key.path)), previous, freshness(false));
  }
  return answer(encode_entry(*entry), previous, freshness(entry->racy));
}

Found Source::block(const Key& key, std::optional<View> previous, std::span<std::byte> room) {
  if (const auto error = files_.read(key, room)) return failed(*error);
  const Tag tag = tag_of(room);
  const bool unchanged = previous && previous->size() == room.size() && tag_of(*previous) == tag;
  return {.unchanged = unchanged,
          .bytes = std::vector<std::byte>{},
          .tag = tag,
          .fresh_for = block_freshness(key.version)};
}

Found Source::filesystem(const Key& key, std::optional<View> previous) {
  const FileDescriptor path(::open(key.path.str().c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!path) return failed(last_errno());
  struct statvfs st {};
  if (::fstatvfs(path.get(), &st) != 0) return failed(last_errno());
  return answer(encode_filesystem(st), previous, freshness(false));
}

Found Source::failed(Errno error) const {
  return {.bytes = error, .fresh_for = remembered(error) ? freshness(false) : Duration::zero()};
}

Found Source::answer(std::vector<std::byte> bytes, std::optional<View> previous, Duration fresh_for) const {
  const Tag tag = tag_of(bytes);
  const bool unchanged = previous && previous->size() == bytes.size() && tag_of(*previous) == tag;
  if (unchanged) bytes.clear();
  return {.unchanged = unchanged, .bytes = std::move(bytes), .tag = tag, .fresh_for = fresh_for};
}

Duration Source::freshness(bool racy) const {
  const Duration whole = options_.freshness;
  return racy ? std::min<Duration>(whole, limits::racy_window) : whole;
}

}  // namespace copper
