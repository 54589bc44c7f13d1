// See readdir.h.
#include "fuse_frontend/replies/readdir.h"

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace copper {
namespace {

constexpr int tries = 5;  // at a listing that changes faster than its blocks can be fetched
constexpr std::uint64_t dot = 1;
constexpr std::uint64_t dotdot = 2;
constexpr std::uint64_t unknown_ino = 0xffffffff;  // as libfuse shows it

// A reply that is being filled, and the inodes whose lookup counts rose for it.
class Page {
 public:
  Page(Lane& lane, Request& request, View::DirectoryRef directory, std::size_t size, bool plus)
      : lane_(lane), request_(request), directory_(std::move(directory)), plus_(plus), bytes_(size) {}

  bool empty() const { return used_ == 0; }

  // False where the page is full. `inode`, where there are attributes to carry along; its lookup count has
  // risen.
  bool plain(const char* name, std::uint64_t cookie, std::uint64_t ino, std::uint32_t type) {
    fuse_entry_param parameter{};
    parameter.attr.st_ino = ino;
    parameter.attr.st_mode = type;
    return append(name, cookie, parameter);
  }

  bool name(const Listed& listed, const Name& name) {
    const std::string text(name.name);
    const auto parameter = plus_ ? looked_up(listed, name, text) : std::nullopt;
    if (!parameter) return plain(text.c_str(), name.cookie, name.ino, name.type);
    if (append(text.c_str(), name.cookie, *parameter)) {
      looked_up_.emplace_back(parameter->ino, text);
      return true;
    }
    lane_.forget(parameter->ino, 1);
    return false;
  }

  void reply(std::uint64_t edition) {
    const iovec piece{bytes_.data(), used_};
    const bool taken = request_.bytes({&piece, 1});
    for (const auto& [id, text] : looked_up_) {
      if (taken) {
        check_edition(lane_, directory_, edition, text);
      } else {
        lane_.forget(id, 1);
      }
    }
  }

  // A name of the listing does not hold water.
  void damaged() { damaged_ = true; }
  bool is_damaged() const { return damaged_; }

 private:
  bool append(const char* name, std::uint64_t cookie, const fuse_entry_param& parameter) {
    auto* at = bytes_.data() + used_;
    const auto room = bytes_.size() - used_;
    const auto offset = static_cast<off_t>(cookie);
    // libfuse has no use for the request here.
    const auto needed = plus_ ? fuse_add_direntry_plus(nullptr, at, room, name, &parameter, offset)
                              : fuse_add_direntry(nullptr, at, room, name, &parameter.attr, offset);
    if (needed > room) return false;
    used_ += needed;
    return true;
  }

  // Attributes that ride along, or a directory's own: nothing where the kernel had better ask.
  std::optional<fuse_entry_param> looked_up(const Listed& listed, const Name& name, const std::string& text) {
    auto found = as_listed(listed, name);
    const auto now = clock_now();
    if (!found.entry || now >= found.fresh_until || overtaken(lane_, request_)) return std::nullopt;
    const auto& shared = lane_.shared();
    if (S_ISDIR(found.entry->attributes.mode)) {
      if (const auto known = shared.inodes.directory(directory_->id(), text)) {
        if (!shared.view.compared(known->id, known->generation)) return std::nullopt;
        const auto directory = shared.view.known(known->id, known->generation);
        if (const auto own = directory ? shared.view.held(directory).own : std::nullopt) {
          found.entry->attributes = own->attributes;
          found.entry_until = own->fresh_until;
        }
      }
      if (now >= found.entry_until) return std::nullopt;
    }
    const auto inode = shared.inodes.found(directory_->id(), text, *found.entry);
    if (!inode.ok()) return std::nullopt;
    return as_parameter(*inode, shared.links.attributes(*found.entry), timeouts(found, now));
  }

  Lane& lane_;
  Request& request_;
  const View::DirectoryRef directory_;
  const bool plus_;
  std::vector<char> bytes_;
  std::size_t used_ = 0;
  bool damaged_ = false;
  std::vector<std::pair<Nodeid, std::string>> looked_up_;
};

// Fills the page from the listing; returns the block that it would need next, or nothing when it is done.
std::optional<std::uint32_t> fill(Page& page, const Listed& listed, std::uint64_t& offset) {
  const auto& listing = *listed.listing;
  for (auto n = listing.block_of(offset + 1); n < listing.blocks(); ++n) {
    const auto* block = listing.block(n);
    if (block == nullptr) return n;
    for (auto i = block->lower_bound(offset + 1); i < block->size(); ++i) {
      const auto name = block->at(i);
      // Who reads on does so from the last cookie: one that does not rise would have it go round for ever.
      const bool rises = name && name->cookie > offset && name->cookie <= INT64_MAX;
      if (!rises) page.damaged();
      if (!rises || !page.name(listed, *name)) return std::nullopt;
      offset = name->cookie;
    }
  }
  return std::nullopt;
}

// As the parent was when it was looked up; the root is its own.
std::uint64_t parent_ino(Lane& lane, Nodeid id, std::uint64_t own_ino) {
  if (id == root_nodeid) return own_ino;
  const auto& inodes = lane.shared().inodes;
  const auto inode = inodes.inode(id);
  const auto parent = inode ? inodes.inode(inode->parent) : std::nullopt;
  return parent && parent->attributes.ino != 0 ? parent->attributes.ino : unknown_ino;
}

}  // namespace

Task readdir(Lane& lane, Request request, Nodeid id, std::size_t size, off_t start, bool plus) {
  const auto directory = lane.directory(id);
  if (!directory.ok() || start < 0) {
    request.error(directory.ok() ? Errno{EINVAL} : directory.error());
    co_return;
  }
  auto offset = static_cast<std::uint64_t>(start);
  auto& view = lane.shared().view;
  const auto held = view.held(*directory);
  Listed listed{held.listing, held.fresh_until, false};
  // From the start on it is read fresh; what was begun may go on in what is held.
  bool usable = held.listing && (offset > 0 || clock_now() < held.fresh_until);
  bool asked = false;
  Page page(lane, request, *directory, size, plus);
  for (int n = 0; n < tries; ++n) {
    if (!usable) {
      auto answer = co_await list(lane, request, *directory);
      if (!answer.ok()) {
        request.error(answer.error());
        co_return;
      }
      listed = std::move(answer).value();
      usable = asked = true;
    }
    const auto own_ino = listed.listing->directory().ino;
    if (offset < dot && page.plain(".", dot, own_ino, S_IFDIR)) offset = dot;
    if (offset == dot && page.plain("..", dotdot, parent_ino(lane, id, own_ino), S_IFDIR)) offset = dotdot;
    auto missing = offset >= dotdot ? fill(page, listed, offset) : std::nullopt;
    while (missing && page.empty()) {
      auto more = co_await extend(lane, request, *directory, listed.listing, *missing);
      asked = true;
      if (!more.ok() && more.error() != Errno{ESTALE}) {
        request.error(more.error());
        co_return;
      }
      usable = more.ok();
      if (!usable) break;
      listed.listing = std::move(more).value();
      missing = fill(page, listed, offset);
    }
    if (!usable) continue;
    if (page.empty() && page.is_damaged()) break;  // a directory must not seem to end early
    if (!asked) lane.count(segment::FuseCounter::fuse_from_view);
    page.reply(listed.listing->edition());
    co_return;
  }
  request.error(Errno{EIO});
}

}  // namespace copper
