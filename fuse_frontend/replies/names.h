// What directories and names are, as far as is held, else by asking: the steps that lookup, getattr, readlink
// and readdir have in common. Coroutines of a lane; the request is the one that waits.
//
// When a directory turns out to have changed, the children that the kernel knows and that are not what they
// were are dropped from its cache through the notifier; those that live for the job are seen to change in no
// other way. What the kernel knows from a former worker is compared when the directory is first asked about.
#pragma once

#include <cstdint>
#include <string>

#include "fuse_frontend/async.h"
#include "fuse_frontend/lane.h"

namespace copper {

// How long the kernel may rely on something that "lives for the job".
inline constexpr double job_seconds = 10.0 * 365 * 24 * 3600;

// A replying path waits at most so long for the notifier.
inline constexpr auto notifier_patience = std::chrono::milliseconds{50};

struct Resolved {
  std::optional<Entry> entry;  // nothing: absent
  bool listed = false;         // a listing knows the name, so a non-directory stays until the listing changes
  bool rode_along = false;     // the entry is the listing's, not an answer of its own
  std::uint64_t edition = 0;   // of the listing
  Instant fresh_until{};       // of the name: present or absent
  Instant entry_until{};       // of the attributes, where the name is a directory or has just changed
};

// A name of a directory. Errors: storage's.
Async<Result<Resolved>> find(Lane& lane, Request& request, View::DirectoryRef directory, std::string name);

// A directory's own attributes, renewed with its listing where one is held. Waits, a moment, for the kernel
// to drop what has changed inside.
Async<Result<Own>> freshen(Lane& lane, Request& request, View::DirectoryRef directory);

// A listing, asked for. `loaded`: read anew, not renewed.
struct Listed {
  HeldListing::Ref listing;
  Instant fresh_until{};
  bool loaded = false;
};
Async<Result<Listed>> list(Lane& lane, Request& request, View::DirectoryRef directory);
// What a listing says of a name that it has, or (nothing) of an absent one. No entry for a name: it is to be
// looked up, for attributes did not ride along, or are of a directory or of a name in motion and not as fresh
// as the listing.
Resolved as_listed(const Listed& listed, const std::optional<Name>& name);
// With block n besides. ESTALE where its edition is no more.
Async<Result<HeldListing::Ref>> extend(Lane& lane, Request& request, View::DirectoryRef directory,
                                       HeldListing::Ref listing, std::uint32_t n);

// The entry of an inode that is no directory, of exactly its version: ESTALE where that is no more, and then
// the kernel is told.
Async<Result<Entry>> entry_of(Lane& lane, Request& request, Inode inode);

// An inode's version is gone: what is held of its name is to be asked for again, and the kernel looks it up
// anew.
void version_gone(Lane& lane, const Inode& inode);

// Where a listing was replaced while a reply from it was on its way to the kernel, the name is to be looked
// up again.
void check_edition(Lane& lane, const View::DirectoryRef& directory, std::uint64_t edition,
                   const std::string& name);

// A clear has come since the request began. Its answer may be an older one: it is replied, but the kernel
// must not keep it. To be asked when the reply is made: no other thing may happen on the lane in between.
bool overtaken(const Lane& lane, const Request& request);

struct stat as_stat(const Attributes& attributes);

}  // namespace copper
