// The bytes of the kinds `listing`, `entry` and `filesystem`: written by the storage reader, read by the
// front end, opaque to the tree. Views check every offset: the bytes come from another process.
//
// A listing is sorted by cookie: 63 bits of xxh3 of the name, made unique by counting up. A cookie is a
// name's place in every edition of its directory, so a readdir offset stays good when the directory changes
// (POSIX: names that stay are given once), and it is the search key of a lookup. Cookies 0 (start), 1 (".")
// and 2 ("..") are kept free.
#pragma once

#include <sys/statvfs.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "service/storage/attributes.h"
#include "tree/key.h"

namespace copper {

// One name's attributes and, for a symbolic link, its target. `racy`: it changed so shortly before it was
// looked at that the look is not trusted (limits::racy_window).
struct Entry {
  Attributes attributes;
  std::string target;
  bool racy = false;
};
std::vector<std::byte> encode_entry(const Entry& entry);
std::optional<Entry> decode_entry(std::span<const std::byte> bytes);

std::vector<std::byte> encode_filesystem(const struct statvfs& st);
std::optional<struct statvfs> decode_filesystem(std::span<const std::byte> bytes);

// A name in a listing. `entry` is missing where the directory is too large for attributes to ride along, or
// where it could not be read (then it is asked singly).
struct Name {
  std::string_view name;
  std::uint64_t cookie = 0;
  std::uint32_t type = 0;  // file type bits of st_mode
  std::uint64_t ino = 0;   // as in Attributes; readdir shows it
  std::optional<Entry> entry;
};

// A directory as swept: its own attributes (from before its names were read) and its names. The blocks that
// come out are each at most limits::block_bytes long; block 0 knows how many there are, and at which cookie
// each begins.
struct Sweep {
  Attributes directory;
  bool racy = false;  // the directory or one of the entries that ride along
  struct Item {
    std::string name;
    std::uint32_t type = 0;
    std::uint64_t ino = 0;
    std::optional<Entry> entry;
  };
  std::vector<Item> items;  // any order, without "." and ".."
};
std::vector<std::vector<std::byte>> encode_listing(Sweep sweep);

// The cookie a name has where no other name's hash collides with it.
std::uint64_t cookie_hash(std::string_view name);

// One block of a listing. Refers to the bytes, which must outlive it.
class ListingView {
 public:
  // Nothing where the bytes are no block of a listing.
  static std::optional<ListingView> of(std::span<const std::byte> bytes);

  // The same in each block of one edition.
  std::uint64_t edition() const { return head_.edition; }  // xxh3 of everything in all blocks
  std::uint32_t blocks() const { return head_.blocks; }    // how many blocks the listing has, >= 1
  std::uint64_t names_total() const { return head_.names_total; }
  const Attributes& directory() const { return head_.directory; }
  bool racy() const { return head_.racy != 0; }

  std::uint32_t number() const { return head_.number; }  // of this block
  std::size_t size() const { return head_.names; }       // names in this block
  std::optional<Name> at(std::size_t i) const;           // nothing where the record is damaged
  std::size_t lower_bound(std::uint64_t cookie) const;   // first index with a cookie >= it; size(): none
  // Present, or not in this block.
  std::optional<Name> find(std::string_view name) const;

  // Block 0 only: the block that holds `cookie`, were it there.
  std::uint32_t block_of(std::uint64_t cookie) const;

  // What each block begins with; as stored.
  struct Head {
    std::uint32_t magic = 0;
    std::uint32_t format = 0;
    std::uint64_t edition = 0;
    std::uint64_t names_total = 0;
    std::uint32_t blocks = 0;
    std::uint32_t number = 0;
    std::uint32_t names = 0;
    std::uint32_t racy = 0;
    Attributes directory;
  };

 private:
  ListingView(std::span<const std::byte> bytes, const Head& head) : bytes_(bytes), head_(head) {}
  std::uint64_t cookie_at(std::size_t i) const;

  std::span<const std::byte> bytes_;
  Head head_;
};

}  // namespace copper
