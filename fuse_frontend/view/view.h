// What the front end holds of directories, so that most names are answered without a question, present or
// absent.
//
// A directory's attributes, its listing and its absent names share one freshness. What is held outlives it,
// to be renewed ("unchanged?") or compared with. Listings held are bounded by bytes: the least recently used
// go, and with them their leases; attributes stay.
//
// Any thread. One mutex, never held over a call out; answers older than what is held are not taken in, nor
// those to a request that a clear has overtaken: each names the epoch in which its request began.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "fuse_frontend/view/held_listing.h"
#include "fuse_frontend/view/inodes.h"
#include "tree/outcome.h"

namespace copper {

struct Own {  // a directory's own attributes
  Attributes attributes;
  Instant fresh_until{};
};

using Epoch = std::uint64_t;

class View {
 public:
  class Directory;
  using DirectoryRef = std::shared_ptr<Directory>;

  // Up to which generation the kernel knows directories from former workers; nothing where there were none.
  explicit View(std::size_t listing_bytes, std::optional<std::uint64_t> inherited = std::nullopt)
      : listing_bytes_(listing_bytes), inherited_(inherited) {}

  // The directory of a nodeid: what is held of it goes with the nodeid, whoever still refers to it.
  DirectoryRef directory(const Inode& inode, const std::string& path);
  DirectoryRef known(Nodeid id, std::uint64_t generation) const;  // null where nothing is held
  void forget(Nodeid id, std::uint64_t generation);

  struct Held {
    HeldListing::Ref listing;  // null: none
    std::optional<Own> own;
    Instant fresh_until{};  // of the listing
  };
  Held held(const DirectoryRef& directory);

  // False: the kernel has names of it from a former worker, which nobody has compared yet with what is there
  // now. The first answer about the directory is one that it has changed.
  bool compared(Nodeid id, std::uint64_t generation) const;

  // So many names of a directory are looked up singly.
  static constexpr std::size_t single_names = 2;
  // Whether the listing is to be asked for rather than the name's entry: from the third distinct name on.
  bool worth_listing(const DirectoryRef& directory, std::string_view name);
  void cannot_be_listed(const DirectoryRef& directory, Epoch epoch);  // until its attributes change

  // Answers. True where the directory has changed since the last one.
  bool listed(const DirectoryRef& directory, HeldListing::Ref listing, Instant fresh_until, Epoch epoch);
  bool looked_at(const DirectoryRef& directory, const Entry& entry, Instant fresh_until, Epoch epoch);
  // The listing is still the same edition.
  void renewed(const DirectoryRef& directory, const HeldListing::Ref& listing, Instant fresh_until,
               Epoch epoch);
  // A further block of the edition that is held; returns what is held then.
  HeldListing::Ref extended(const DirectoryRef& directory, const HeldListing::Ref& listing, std::uint32_t n,
                            Bytes block);

  // It is known to have changed: all of it is to be asked for again.
  void expire(const DirectoryRef& directory);
  // The listing is of no use any more.
  void drop_listing(const DirectoryRef& directory);

  // Rises with each clear.
  Epoch epoch() const { return epoch_.load(); }
  // All that is held at or below the path, and of the directory that names it, is to be asked for again: it
  // is only good to see by it what has changed.
  void clear(const std::string& path);

 private:
  using Used = std::list<Directory*>;

  HeldListing::Ref replace(Directory& directory, HeldListing::Ref listing);
  std::vector<HeldListing::Ref> shrink(const Directory& keep);

  bool is_inherited(std::uint64_t generation) const { return inherited_ && generation <= *inherited_; }

  const std::size_t listing_bytes_;
  const std::optional<std::uint64_t> inherited_;
  std::atomic<Epoch> epoch_ = 0;  // changes under the mutex
  mutable std::mutex mutex_;      // guards all below, and the directories
  std::unordered_map<Nodeid, DirectoryRef> directories_;
  Used used_;  // those with a listing, the least recently used first
  std::size_t held_bytes_ = 0;
};

class View::Directory {
 public:
  Directory(const Inode& inode, std::string path, bool compared)
      : id_(inode.id), generation_(inode.generation), path_(std::move(path)), compared_(compared) {}

  Nodeid id() const { return id_; }
  std::uint64_t generation() const { return generation_; }
  const std::string& path() const { return path_; }

 private:
  friend class View;

  const Nodeid id_;
  const std::uint64_t generation_;
  const std::string path_;

  // Under the view's mutex:
  HeldListing::Ref listing_;
  Instant fresh_until_{};  // of listing_
  std::optional<Own> own_;
  bool own_racy_ = false;
  bool compared_;
  std::array<std::size_t, single_names> asked_{};  // hashes of the first names looked up
  std::size_t names_asked_ = 0;
  bool listable_ = true;
  bool forgotten_ = false;
  Used::iterator place_{};  // in used_, where there is a listing
};

}  // namespace copper
