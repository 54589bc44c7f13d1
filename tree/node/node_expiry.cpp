// What storage, or a user, says is no longer so. See node.h.
#include <algorithm>
#include <utility>
#include <vector>

#include "tree/limits.h"
#include "tree/node/node.h"

namespace copper {

void Node::expire(const Key& key, Instant now, Actions& out) {
  if (key.kind == Kind::listing) {
    make_stale(Key::listing(key.path), now);
  } else {
    make_stale(Key::entry(key.path), now);
    make_stale(Key::listing(key.directory()), now);
  }
  for (const auto child : place_of(key).children) out.push_back(Send{child, Expire{key}});
  out.push_back(Notice{key});
}

// Has that version been expired for ESTALE just now? Remembers that it is, where not.
bool Node::gone_lately(const Key& key, Instant now) {
  std::erase_if(gone_, [&](const auto& gone) { return now >= gone.second + limits::expiry_pause; });
  auto version = key;
  version.block = 0;
  if (gone_.contains(version)) return true;
  if (gone_.size() < limits::expiries_remembered) gone_.emplace(std::move(version), now);
  return false;
}

void Node::make_stale(const Key& key, Instant now) {
  const bool root = at_root(key);
  if (auto* ready = store_.ready(key)) {
    if (ready->outcome.fresh(now)) counters_.add(Counter::expired);
    store_.set_fresh_until(key, std::min(ready->outcome.fresh_until, now));
    if (root) store_.suspect(key);
  } else if (auto* pending = store_.pending(key)) {
    // Below the root nothing is amiss: an answer given before the Expire would have come before it.
    pending->expired = root;
  }
}

// Nothing is kept, so nothing can be found unchanged. What is pending:
// - at the root: a load under way may have looked before. It is repeated, whatever repeats there were.
// - below it, asked in the control tree: an answer given before the Clear has come before it, or its header
//   has, with bytes that still arrive.
// - asked in the bulk tree: that edge has no order towards the control tree's. It is asked again there.
// A block that is asked of a bulk parent from now on may be one that the parent has yet to forget: the bytes
// are those of its version, unless the file is too young for its times to tell.
void Node::clear(Tree tree, const Path& path) {
  const auto concerned = [&](const Key& key) {
    return tells_of(key, path) && topology_.tree_of(key) == tree;
  };
  counters_.add(Counter::cleared, store_.forget_all(concerned));
  std::erase_if(offered_, [&](const auto& offer) { return concerned(offer.first); });
  const bool root = !places_[number(tree)].parent;
  std::vector<Key> pending;
  store_.each_pending([&](const Key& key, const Pending&) {
    if (concerned(key)) pending.push_back(key);
    return true;
  });
  for (const auto& key : pending) {
    auto& question = *store_.pending(key);
    if (!root && !question.arriving && question.shape == Shape::control) continue;
    question.expired = true;
    question.repeats = 0;
  }
}

}  // namespace copper
