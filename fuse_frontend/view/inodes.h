// The kernel's nodeids: who they are, and how often the kernel has looked each up. The records lie in the
// segment, so that a successor of this worker knows every inode that the kernel knows; what indexes them is
// private.
//
// Nodeid 1 is the root, "/". A directory is named by its path and keeps its nodeid as long as it is known;
// anything else is named by path and version, so that a changed file is another inode, and nobody meets a
// mixture. A nodeid is free once the kernel has forgotten it and no child refers to it; it comes back with a
// generation never used before.
//
// Any thread. Nothing here blocks for long: one mutex, never held over a call out.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "service/segment/segment.h"
#include "service/storage/listing.h"
#include "tree/result.h"

namespace copper {

using Nodeid = std::uint64_t;
inline constexpr Nodeid root_nodeid = 1;

struct Inode {
  Nodeid id = 0;
  std::uint64_t generation = 0;
  Nodeid parent = 0;
  Attributes attributes{};  // of a non-directory its version's, for good; of a directory as first seen
  std::string name;
  bool racy = false;  // when it was found once, its version was too young to tell its bytes

  bool is_directory() const;
  std::uint32_t type() const;  // file type bits
  Version version() const { return attributes.version(); }
};

class Inodes {
 public:
  // Indexes what is live in the segment; what a former worker was about to free is freed. Throws Refusal
  // where shared memory has no room for the root.
  explicit Inodes(Segment& segment);

  // Forgets everything: for a mount that has just been made. Before any Inodes is made.
  static void clear(Segment& segment);

  std::optional<Inode> inode(Nodeid id) const;  // nothing where the kernel should not know it
  Result<std::string> path(Nodeid id) const;    // ESTALE likewise, ENAMETOOLONG where it is too long

  // The inode of a name as found: an old one or a new one, looked up once more. ENOMEM when the table is
  // full.
  Result<Inode> found(Nodeid parent, std::string_view name, const Entry& entry);
  // The kernel forgets `lookups` of them.
  struct Freed {
    Nodeid id = 0;
    std::uint64_t generation = 0;
  };
  std::vector<Freed> forget(Nodeid id, std::uint64_t lookups);

  std::optional<Inode> directory(Nodeid parent, std::string_view name) const;  // that the kernel knows
  std::optional<Inode> directory_at(std::string_view path) const;              // likewise
  std::vector<Inode> children(Nodeid parent) const;                            // likewise
  std::vector<Nodeid> directories() const;                                     // likewise, all

 private:
  struct Links {  // among the children of one parent; indices, 0: none
    std::uint32_t first_child = 0;
    std::uint32_t next = 0;
    std::uint32_t previous = 0;
  };
  struct Sought {
    Nodeid parent;
    std::string_view name;
    bool directory;
    Version version;  // of a non-directory
  };
  struct Hash {
    using is_transparent = void;
    const Inodes* inodes;
    std::size_t operator()(std::uint32_t index) const;
    std::size_t operator()(const Sought& sought) const;
  };
  struct Equal {
    using is_transparent = void;
    const Inodes* inodes;
    bool operator()(std::uint32_t a, std::uint32_t b) const;
    bool operator()(const Sought& a, std::uint32_t b) const;
    bool operator()(std::uint32_t a, const Sought& b) const { return (*this)(b, a); }
  };

  bool live(Nodeid id) const;
  segment::InodeRecord& record(std::uint32_t index) const { return segment_.inodes()[index]; }
  Inode copy(std::uint32_t index) const;
  Sought name_of(std::uint32_t index) const;
  std::optional<std::uint32_t> allocate();
  void free_unless_known(Nodeid id, std::vector<Freed>& freed);
  void link(std::uint32_t index);
  void unlink(std::uint32_t index);

  Segment& segment_;
  mutable std::mutex mutex_;  // guards all below, and the records
  std::vector<Links> links_;  // by index; as many as are indexed
  std::vector<std::uint32_t> free_;
  std::unordered_set<std::uint32_t, Hash, Equal> names_;
};

}  // namespace copper
