// See held_listing.h.
#include "fuse_frontend/view/held_listing.h"

#include <utility>

namespace copper {

HeldListing::Ref HeldListing::of(Bytes first, Tag tag, Instant rides_until) {
  const auto view = ListingView::of(first.span());
  if (!view || view->number() != 0 || view->blocks() < 1) return nullptr;
  auto listing = std::make_shared<HeldListing>();
  listing->blocks_.resize(view->blocks());
  listing->blocks_[0] = {std::move(first), view};
  listing->tag_ = tag;
  listing->rides_until_ = rides_until;
  return listing;
}

HeldListing::Ref HeldListing::with(std::uint32_t n, Bytes block) const {
  const auto view = ListingView::of(block.span());
  if (!view || n >= blocks_.size() || view->number() != n || view->edition() != edition()) return nullptr;
  auto listing = std::make_shared<HeldListing>(*this);
  listing->blocks_[n] = {std::move(block), view};
  return listing;
}

std::size_t HeldListing::bytes() const {
  std::size_t sum = 0;
  for (const auto& block : blocks_) sum += block.bytes.size();
  return sum;
}

const ListingView* HeldListing::block(std::uint32_t n) const {
  if (n >= blocks_.size() || !blocks_[n].view) return nullptr;
  return &*blocks_[n].view;
}

// Names whose hashes are equal have cookies that count up from it, perhaps across the end of a block.
HeldListing::Sought HeldListing::find(std::string_view name) const {
  const auto hash = cookie_hash(name);
  for (auto n = block_of(hash); n < blocks_.size(); ++n) {
    const auto* view = block(n);
    if (view == nullptr) return {std::nullopt, n};
    if (auto found = view->find(name)) return {std::move(found), std::nullopt};
    const auto last = view->size() > 0 ? view->at(view->size() - 1) : std::nullopt;
    if (!last || last->cookie < hash || last->cookie - hash >= view->size()) break;
  }
  return {};
}

}  // namespace copper
