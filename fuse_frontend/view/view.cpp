// See view.h. Listings that are let go are destroyed after the mutex: ending a lease is a call out.
#include "fuse_frontend/view/view.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

namespace copper {

View::DirectoryRef View::directory(const Inode& inode, const std::string& path) {
  HeldListing::Ref dropped;
  const std::lock_guard lock(mutex_);
  auto& directory = directories_[inode.id];
  if (directory && directory->generation_ != inode.generation) {
    dropped = replace(*directory, nullptr);
    directory->forgotten_ = true;
    directory.reset();
  }
  if (!directory) directory = std::make_shared<Directory>(inode, path, !is_inherited(inode.generation));
  return directory;
}

View::DirectoryRef View::known(Nodeid id, std::uint64_t generation) const {
  const std::lock_guard lock(mutex_);
  const auto found = directories_.find(id);
  if (found == directories_.end() || found->second->generation_ != generation) return nullptr;
  return found->second;
}

void View::forget(Nodeid id, std::uint64_t generation) {
  HeldListing::Ref dropped;
  const std::lock_guard lock(mutex_);
  const auto found = directories_.find(id);
  if (found == directories_.end() || found->second->generation_ != generation) return;
  dropped = replace(*found->second, nullptr);
  found->second->forgotten_ = true;
  directories_.erase(found);
}

View::Held View::held(const DirectoryRef& directory) {
  const std::lock_guard lock(mutex_);
  if (directory->listing_) used_.splice(used_.end(), used_, directory->place_);
  return {directory->listing_, directory->own_, directory->fresh_until_};
}

bool View::compared(Nodeid id, std::uint64_t generation) const {
  const std::lock_guard lock(mutex_);
  const auto found = directories_.find(id);
  if (found == directories_.end() || found->second->generation_ != generation)
    return !is_inherited(generation);
  return found->second->compared_;
}

bool View::worth_listing(const DirectoryRef& directory, std::string_view name) {
  const auto hash = std::hash<std::string_view>{}(name);
  const std::lock_guard lock(mutex_);
  auto& asked = directory->asked_;
  auto& names = directory->names_asked_;
  if (names <= asked.size() &&
      std::find(asked.begin(), asked.begin() + names, hash) == asked.begin() + names) {
    if (names < asked.size()) asked[names] = hash;
    ++names;
  }
  return directory->listable_ && names > asked.size();
}

void View::cannot_be_listed(const DirectoryRef& directory, Epoch epoch) {
  HeldListing::Ref dropped;
  const std::lock_guard lock(mutex_);
  if (epoch != epoch_) return;
  directory->listable_ = false;
  dropped = replace(*directory, nullptr);
}

bool View::listed(const DirectoryRef& directory, HeldListing::Ref listing, Instant fresh_until, Epoch epoch) {
  std::vector<HeldListing::Ref> dropped;
  HeldListing::Ref former;
  const std::lock_guard lock(mutex_);
  if (epoch != epoch_) return false;
  if (directory->listing_ && fresh_until < directory->fresh_until_) return false;
  const bool changed =
      !std::exchange(directory->compared_, true) ||
      (directory->listing_ ? directory->listing_->edition() != listing->edition()
                           : directory->own_ && (directory->own_racy_ ||
                                                 directory->own_->attributes != listing->directory()));
  directory->own_ = Own{listing->directory(), fresh_until};
  directory->own_racy_ = listing->racy();
  directory->fresh_until_ = fresh_until;
  directory->listable_ = true;
  directory->names_asked_ = directory->asked_.size() + 1;  // it was worth it
  former = replace(*directory, std::move(listing));
  dropped = shrink(*directory);
  return changed;
}

bool View::looked_at(const DirectoryRef& directory, const Entry& entry, Instant fresh_until, Epoch epoch) {
  const std::lock_guard lock(mutex_);
  if (epoch != epoch_) return false;
  if (directory->own_ && fresh_until < directory->own_->fresh_until) return false;
  const bool changed =
      !std::exchange(directory->compared_, true) ||
      (directory->own_ && (directory->own_racy_ || directory->own_->attributes != entry.attributes));
  directory->own_ = Own{entry.attributes, fresh_until};
  directory->own_racy_ = entry.racy;
  if (changed) directory->listable_ = true;
  return changed;
}

void View::renewed(const DirectoryRef& directory, const HeldListing::Ref& listing, Instant fresh_until,
                   Epoch epoch) {
  const std::lock_guard lock(mutex_);
  if (epoch != epoch_ || !directory->listing_ || directory->listing_->edition() != listing->edition()) return;
  directory->fresh_until_ = std::max(directory->fresh_until_, fresh_until);
  directory->own_ = Own{listing->directory(), directory->fresh_until_};
  directory->own_racy_ = listing->racy();
}

HeldListing::Ref View::extended(const DirectoryRef& directory, const HeldListing::Ref& listing,
                                std::uint32_t n, Bytes block) {
  std::vector<HeldListing::Ref> dropped;
  HeldListing::Ref former;
  const std::lock_guard lock(mutex_);
  const bool current = directory->listing_ && directory->listing_->edition() == listing->edition();
  auto more = (current ? directory->listing_ : listing)->with(n, std::move(block));
  if (!more || !current) return more;
  former = replace(*directory, more);
  dropped = shrink(*directory);
  return more;
}

void View::expire(const DirectoryRef& directory) {
  const std::lock_guard lock(mutex_);
  directory->fresh_until_ = Instant{};
  if (directory->own_) directory->own_->fresh_until = Instant{};
}

void View::drop_listing(const DirectoryRef& directory) {
  HeldListing::Ref dropped;
  const std::lock_guard lock(mutex_);
  dropped = replace(*directory, nullptr);
}

void View::clear(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ++epoch_;
  for (const auto& [id, directory] : directories_) {
    if (!is_at_or_below(directory->path_, path) && directory->path_ != parent_path(path)) continue;
    directory->fresh_until_ = Instant{};
    if (directory->own_) directory->own_->fresh_until = Instant{};
    directory->listable_ = true;
  }
}

// What was held before. A forgotten directory holds nothing: nobody would find it to let go of it.
HeldListing::Ref View::replace(Directory& directory, HeldListing::Ref listing) {
  if (directory.listing_) {
    held_bytes_ -= directory.listing_->bytes();
    used_.erase(directory.place_);
  }
  if (directory.forgotten_) listing = nullptr;
  if (listing) {
    held_bytes_ += listing->bytes();
    directory.place_ = used_.insert(used_.end(), &directory);
  }
  return std::exchange(directory.listing_, std::move(listing));
}

std::vector<HeldListing::Ref> View::shrink(const Directory& keep) {
  std::vector<HeldListing::Ref> dropped;
  while (held_bytes_ > listing_bytes_ && used_.front() != &keep) {
    dropped.push_back(replace(*used_.front(), nullptr));
  }
  return dropped;
}

}  // namespace copper
