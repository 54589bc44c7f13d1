// Ranks that do not answer, and messages that were lost. See node.h.
#include <algorithm>

#include "tree/assert.h"
#include "tree/limits.h"
#include "tree/node/node.h"

namespace copper {

// Who was asked is dead. In the bulk tree that is no reason to give up.
void Node::fail(const Key& key, Instant now, Actions& out) {
  auto* pending = store_.pending(key);
  ensure(pending != nullptr, "only a question fails");
  const bool by_bulk = pending->shape == Shape::bulk;
  end_question(key, *pending);
  if (by_bulk) return enquire(key, *pending, Shape::control, now, out);
  settle(key, {.value = not_carried}, false, false, now, out);
}

// Of the first tree, which joins all: whoever is lost, somebody who is not is its neighbour.
void Node::watch_neighbours(Instant now) {
  const auto& place = places_[number(first_tree)];
  if (place.parent) liveness_.watch(*place.parent, now);
  for (const auto child : place.children) liveness_.watch(child, now);
}

// In the control tree, whatever the edge was.
void Node::ask_unanswered_again(Instant now, Actions& out) {
  if (!look_again_ || now < *look_again_) return;
  look_again_.reset();
  std::vector<Key> unanswered;
  store_.each_pending([&](const Key& key, const Pending& pending) {
    if (!pending.on) return true;
    if (!look_again_) look_again_ = now + limits::peer_patience;
    const auto doublings = std::min(pending.asked_again, limits::ask_again_doublings);
    const bool late = now - pending.asked >= limits::peer_patience * (1 << doublings);
    if (late && !pending.arriving && liveness_.heard_since(*pending.on, pending.asked))
      unanswered.push_back(key);
    return true;
  });
  for (const auto& key : unanswered) {
    auto& pending = *store_.pending(key);
    const auto again = pending.asked_again + 1;
    end_question(key, pending);
    enquire(key, pending, Shape::control, now, out, answer_in_any_case);
    if (auto* asked = store_.pending(key)) asked->asked_again = again;
    counters_.add(Counter::asked_again);
  }
}

std::optional<Instant> Node::deadline() const {
  const auto look = liveness_.deadline();
  if (!look || !look_again_ || store_.questions() == 0) return look;
  return std::min(*look, *look_again_);
}

void Node::on_time(Instant now, Actions& out) {
  ask_unanswered_again(now, out);
  const auto look = liveness_.look(now);
  for (const auto silent : look.ask) out.push_back(Send{silent, Ping{}});
  for (const auto dead : look.died) {
    counters_.add(Counter::peers_dead);
    std::vector<Key> asked;
    store_.each_pending([&](const Key& key, const Pending& pending) {
      if (pending.on == dead) asked.push_back(key);
      return true;
    });
    for (const auto& key : asked) fail(key, now, out);
  }
  lost_.insert(lost_.end(), look.lost.begin(), look.lost.end());
  serve_line(now, out);
}

}  // namespace copper
