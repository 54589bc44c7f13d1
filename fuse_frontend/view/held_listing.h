// One edition of a directory's listing, as far as its blocks are held. A value: a further block makes a new
// one, and whoever reads one is not disturbed by others. Its bytes lie in the arena, leased, until the last
// holder lets go.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "service/storage/listing.h"
#include "tree/bytes.h"
#include "tree/outcome.h"

namespace copper {

class HeldListing {
 public:
  using Ref = std::shared_ptr<const HeldListing>;

  // From block 0, as it was loaded: what rides along of directories (and of names that had just changed)
  // counts until `rides_until`, and is not renewed with the listing. Null where the bytes are not block 0 of
  // a listing.
  static Ref of(Bytes first, Tag tag, Instant rides_until);
  // With block n besides. Null where the bytes are not that block of this edition.
  Ref with(std::uint32_t n, Bytes block) const;

  std::uint64_t edition() const { return first().edition(); }
  std::uint32_t blocks() const { return first().blocks(); }
  const Attributes& directory() const { return first().directory(); }
  bool racy() const { return first().racy(); }
  Tag tag() const { return tag_; }
  Instant rides_until() const { return rides_until_; }
  std::size_t bytes() const;

  // The block with the cookie, were it there; and that block, or null where it is not held.
  std::uint32_t block_of(std::uint64_t cookie) const { return first().block_of(cookie); }
  const ListingView* block(std::uint32_t n) const;

  // What the listing says of a name. `missing`: the block that would tell is not held.
  struct Sought {
    std::optional<Name> name;
    std::optional<std::uint32_t> missing;
  };
  Sought find(std::string_view name) const;

 private:
  struct Block {
    Bytes bytes;
    std::optional<ListingView> view;
  };

  const ListingView& first() const { return *blocks_.front().view; }

  std::vector<Block> blocks_;  // by number; without a view where not held
  Tag tag_ = 0;
  Instant rides_until_{};
};

}  // namespace copper
