// See names.h.
#include "fuse_frontend/replies/names.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace copper {
namespace {

using segment::FuseCounter;

constexpr int tries = 5;  // at a listing that changes faster than its blocks can be fetched

bool is_directory(const Entry& entry) { return S_ISDIR(entry.attributes.mode); }

timespec as_timespec(std::int64_t ns) {
  constexpr std::int64_t second = 1'000'000'000;
  auto seconds = ns / second;
  auto rest = ns % second;
  if (rest < 0) {
    rest += second;
    --seconds;
  }
  return {.tv_sec = seconds, .tv_nsec = rest};
}

// What a listing shows of a child that the kernel knows. `perhaps`: its attributes did not ride along, or lie
// in a block that is not held.
enum class Seen { same, other, perhaps };

Seen seen(const HeldListing& listing, const Inode& child) {
  const auto [name, missing] = listing.find(child.name);
  if (missing) return Seen::perhaps;
  if (!name || (name->type & S_IFMT) != child.type()) return Seen::other;
  if (child.is_directory()) return Seen::same;  // named by its path alone
  if (!name->entry) return name->ino == child.attributes.ino ? Seen::perhaps : Seen::other;
  return name->entry->attributes.version() == child.version() ? Seen::same : Seen::other;
}

// The first block that is not held and has to say something of a child.
std::optional<std::uint32_t> missing_block(const HeldListing& listing, const std::vector<Inode>& children) {
  for (const auto& child : children) {
    if (const auto missing = listing.find(child.name).missing) return missing;
  }
  return std::nullopt;
}

// Does the kernel know so many files of it from a former worker that the listing is worth its price? Few are
// dropped rather than compared.
bool worth_comparing(const Lane& lane, const View::Directory& directory) {
  const auto& shared = lane.shared();
  if (shared.view.compared(directory.id(), directory.generation())) return false;
  const auto children = shared.inodes.children(directory.id());
  const auto files =
      std::ranges::count_if(children, [](const Inode& child) { return !child.is_directory(); });
  return static_cast<std::size_t>(files) > View::single_names;
}

// `listing`: null where only the attributes are known to have changed. What is known to be another goes
// first: where there are many children the reply will not wait for all.
void drop_children(Lane& lane, const View::Directory& directory, const std::vector<Inode>& children,
                   const HeldListing* listing) {
  const auto& shared = lane.shared();
  std::vector<std::string> perhaps;
  for (const auto& child : children) {
    const auto same = child.is_directory() ? Seen::same : Seen::perhaps;
    switch (listing != nullptr ? seen(*listing, child) : same) {
      case Seen::same:
        break;
      case Seen::other:
        shared.notifier.entry(directory.id(), child.name);
        break;
      case Seen::perhaps:
        perhaps.push_back(child.name);
        break;
    }
  }
  shared.notifier.inode(directory.id());
  for (auto& name : perhaps) shared.notifier.entry(directory.id(), std::move(name));
}

Async<Result<Resolved>> look_up(Lane& lane, Request& request, View::DirectoryRef directory,
                                std::string name) {
  Asked asked(lane.questions(), request, Key::entry(join_path(directory->path(), name)));
  const auto answered = co_await asked;
  Resolved found;
  found.fresh_until = found.entry_until = answered.fresh_until;
  if (!answered.value.ok()) {
    if (answered.value.error() == Errno{ENOENT}) co_return found;
    co_return answered.value.error();
  }
  found.entry = decode_entry(answered.value->span());
  if (!found.entry) co_return Errno{EIO};
  co_return found;
}

}  // namespace

struct stat as_stat(const Attributes& attributes) {
  struct stat st {};
  st.st_ino = attributes.ino;
  st.st_mode = attributes.mode;
  st.st_nlink = attributes.nlink;
  st.st_uid = attributes.uid;
  st.st_gid = attributes.gid;
  st.st_rdev = attributes.rdev;
  st.st_size = static_cast<off_t>(attributes.size);
  st.st_blksize = static_cast<blksize_t>(attributes.blksize);
  st.st_blocks = static_cast<blkcnt_t>(attributes.blocks);
  st.st_mtim = as_timespec(attributes.mtime_ns);
  st.st_ctim = as_timespec(attributes.ctime_ns);
  st.st_atim = st.st_mtim;
  return st;
}

Resolved as_listed(const Listed& listed, const std::optional<Name>& name) {
  Resolved found;
  found.listed = true;
  found.edition = listed.listing->edition();
  found.fresh_until = listed.fresh_until;
  found.entry_until = std::min(listed.listing->rides_until(), listed.fresh_until);
  if (!name || !name->entry) return found;
  const bool lasts = !is_directory(*name->entry) && !name->entry->racy;
  if (lasts || listed.loaded || clock_now() < found.entry_until) {
    found.entry = *name->entry;
    found.rode_along = true;
  }
  return found;
}

Async<Result<Listed>> list(Lane& lane, Request& request, View::DirectoryRef directory) {
  auto& view = lane.shared().view;
  const auto held = view.held(directory).listing;
  Asked asked(lane.questions(), request, Key::listing(directory->path()), held ? held->tag() : Tag{0});
  auto answered = co_await asked;
  if (!answered.value.ok()) {
    const auto error = answered.value.error();
    if (error == Errno{EACCES}) view.cannot_be_listed(directory, request.began());
    if (error == Errno{ENOENT} || error == Errno{ENOTDIR}) view.drop_listing(directory);
    co_return error;
  }
  if (answered.unchanged && held) {
    view.renewed(directory, held, answered.fresh_until, request.began());
    co_return Listed{held, answered.fresh_until, false};
  }
  auto listing = HeldListing::of(std::move(answered.value).value(), answered.tag, answered.fresh_until);
  if (!listing) co_return Errno{EIO};
  if (view.listed(directory, listing, answered.fresh_until, request.began())) {
    const auto children = lane.shared().inodes.children(directory->id());
    while (const auto n = missing_block(*listing, children)) {
      auto more = co_await extend(lane, request, directory, listing, *n);
      if (!more.ok()) break;
      listing = std::move(more).value();
    }
    drop_children(lane, *directory, children, listing.get());
  }
  co_return Listed{std::move(listing), answered.fresh_until, true};
}

Async<Result<HeldListing::Ref>> extend(Lane& lane, Request& request, View::DirectoryRef directory,
                                       HeldListing::Ref listing, std::uint32_t n) {
  Asked asked(lane.questions(), request, Key::listing_block(directory->path(), n, listing->edition()));
  auto answered = co_await asked;
  if (!answered.value.ok()) {
    if (answered.value.error() == Errno{ESTALE}) lane.shared().view.expire(directory);
    co_return answered.value.error();
  }
  auto more = lane.shared().view.extended(directory, listing, n, std::move(answered.value).value());
  if (!more) co_return Errno{EIO};
  co_return more;
}

Async<Result<Resolved>> find(Lane& lane, Request& request, View::DirectoryRef directory, std::string name) {
  auto& view = lane.shared().view;
  const bool worth_listing = view.worth_listing(directory, name);
  const auto held = view.held(directory);
  Listed listed{held.listing, held.fresh_until, false};
  bool usable = held.listing && clock_now() < held.fresh_until;
  bool asked = false;
  for (int n = 0; n < tries && (listed.listing || worth_listing); ++n) {
    if (!usable) {
      auto answer = co_await list(lane, request, directory);
      if (!answer.ok()) break;  // what cannot be listed may still be looked up
      listed = std::move(answer).value();
      usable = asked = true;
    }
    const auto sought = listed.listing->find(name);
    if (sought.missing) {
      auto more = co_await extend(lane, request, directory, listed.listing, *sought.missing);
      asked = true;
      if (more.ok()) {
        listed.listing = std::move(more).value();
      } else if (more.error() == Errno{ESTALE}) {
        usable = false;
      } else {
        break;
      }
      continue;
    }
    const auto found = as_listed(listed, sought.name);
    if (!found.entry && sought.name) {
      auto looked = co_await look_up(lane, request, directory, std::move(name));
      if (!looked.ok() || !looked->entry) co_return looked;
      auto both = std::move(looked).value();
      both.listed = true;
      both.edition = found.edition;
      if (!is_directory(*both.entry)) both.fresh_until = found.fresh_until;
      co_return both;
    }
    if (!asked) lane.count(FuseCounter::fuse_from_view);
    co_return found;
  }
  auto looked = co_await look_up(lane, request, directory, std::move(name));
  co_return looked;
}

Async<Result<Own>> freshen(Lane& lane, Request& request, View::DirectoryRef directory) {
  auto& view = lane.shared().view;
  const auto held = view.held(directory);
  if (held.own && clock_now() < held.own->fresh_until) {
    lane.count(FuseCounter::fuse_from_view);
    co_return *held.own;
  }
  if (held.listing || worth_comparing(lane, *directory)) {
    auto listed = co_await list(lane, request, directory);
    if (listed.ok()) {
      const Own own{listed->listing->directory(), listed->fresh_until};
      co_await lane.notified(notifier_patience);
      co_return own;
    }
  }
  Asked asked(lane.questions(), request, Key::entry(directory->path()));
  const auto answered = co_await asked;
  if (!answered.value.ok()) co_return answered.value.error();
  const auto entry = decode_entry(answered.value->span());
  if (!entry) co_return Errno{EIO};
  if (!is_directory(*entry)) co_return Errno{ESTALE};
  if (view.looked_at(directory, *entry, answered.fresh_until, request.began())) {
    drop_children(lane, *directory, lane.shared().inodes.children(directory->id()), nullptr);
  };
  co_await lane.notified(notifier_patience);
  co_return Own{entry->attributes, answered.fresh_until};
}

Async<Result<Entry>> entry_of(Lane& lane, Request& request, Inode inode) {
  const auto& shared = lane.shared();
  auto parent = lane.directory(inode.parent);
  if (!parent.ok()) co_return parent.error();
  if (const auto listing = shared.view.held(*parent).listing) {
    const auto sought = listing->find(inode.name);
    if (sought.name && sought.name->entry && !sought.name->entry->racy &&
        sought.name->entry->attributes.version() == inode.version()) {
      lane.count(FuseCounter::fuse_from_view);
      co_return *sought.name->entry;
    }
  }
  Asked asked(lane.questions(), request, Key::entry(join_path((*parent)->path(), inode.name)));
  const auto answered = co_await asked;
  if (answered.value.ok()) {
    auto entry = decode_entry(answered.value->span());
    if (!entry) co_return Errno{EIO};
    if (entry->attributes.version() == inode.version()) co_return std::move(*entry);
  } else if (answered.value.error() != Errno{ENOENT} && answered.value.error() != Errno{ENOTDIR}) {
    co_return answered.value.error();
  }
  version_gone(lane, inode);
  co_return Errno{ESTALE};
}

void version_gone(Lane& lane, const Inode& inode) {
  const auto& shared = lane.shared();
  if (const auto parent = lane.directory(inode.parent); parent.ok()) shared.view.expire(*parent);
  shared.notifier.entry(inode.parent, inode.name);
}

bool overtaken(const Lane& lane, const Request& request) {
  return lane.shared().view.epoch() != request.began();
}

void check_edition(Lane& lane, const View::DirectoryRef& directory, std::uint64_t edition,
                   const std::string& name) {
  const auto listing = lane.shared().view.held(directory).listing;
  if (!listing || listing->edition() != edition) lane.shared().notifier.entry(directory->id(), name);
}

}  // namespace copper
