// Publishing: what a root tells everyone, and what becomes of it at each rank. See node.h.
#include <algorithm>
#include <utility>

#include "tree/limits.h"
#include "tree/node/node.h"

namespace copper {
namespace {

Publish publication(const Key& key, std::uint64_t number, const Outcome& outcome, bool renewed, Instant now) {
  Publish publish{
      .key = key, .number = number, .tag = outcome.tag, .fresh_for = left(outcome.fresh_until, now)};
  const bool large = outcome.value.ok() && outcome.value->size() > limits::inline_bytes;
  if (!outcome.value.ok()) {
    publish.published = Published::error;
    publish.value = outcome.value.error();
  } else if (key.kind == Kind::block && large) {
    publish.published = Published::offered;  // who has it already takes no offer
  } else if (renewed) {
    publish.published = Published::unchanged;
  } else {
    publish.value = outcome.value;
  }
  return publish;
}

}  // namespace

// ---- at the root ----

// `answered` has been sent these bytes already: it is told that they are still the same.
void Node::publish(const Key& key, Ready& ready, bool renewed, std::optional<Rank> answered, Instant now,
                   Actions& out) {
  auto& place = place_of(key);
  if (place.children.empty()) return;
  ready.published = ++place.seen;
  ready.askers.all_told();
  counters_.add(Counter::published);
  for (const auto child : place.children) {
    const bool has_it = renewed || child == answered;
    out.push_back(Send{child, publication(key, ready.published, ready.outcome, has_it, now)});
  }
}

// ---- below it ----

bool Node::on_publish(Rank from, Publish& publish, Instant now, Actions& out) {
  auto& place = place_of(publish.key);
  if (place.parent != from || publish.number <= place.seen) return false;
  if (publish.number - place.seen > limits::publications_missed) return false;
  const bool missed = publish.number > place.seen + 1;
  place.seen = publish.number;
  counters_.add(Counter::publications);
  for (const auto child : place.children) out.push_back(Send{child, for_child(child, publish, now)});
  if (publish.published == Published::offered) {
    on_offered(publish, now, out);
  } else {
    on_told(publish, now, out);
  }
  if (missed) ask_again(from, publish.key, now, out);
  return true;
}

// Those in line, as far as there is room for what they bring.
void Node::take_offers(Instant now, Actions& out) {
  while (!line_.empty() && bulk_questions_ < limits::offers_at_once && room_for(line_.front())) {
    const auto key = std::move(line_.front());
    line_.pop_front();
    const auto offer = offered_.extract(key);
    if (offer.empty() || store_.contains(key)) continue;
    if (!wanted_unasked(key)) {
      counters_.add(Counter::offers_left);
      continue;
    }
    auto& pending = store_.begin(key, now);
    pending.published = offer.mapped();
    counters_.add(Counter::offers_taken);
    enquire(key, pending, Shape::bulk, now, out);
  }
}

// A publication was lost on its way (its message was damaged): what was asked of this parent in this tree may
// have been what it told.
void Node::ask_again(Rank parent, const Key& told, Instant now, Actions& out) {
  counters_.add(Counter::publications_missed);
  std::vector<Key> asked;
  store_.each_pending([&](const Key& key, const Pending& pending) {
    const bool here = topology_.tree_of(key) == topology_.tree_of(told);
    const bool was_asked = pending.on == parent && pending.shape == Shape::control;
    if (here && was_asked && !pending.arriving) asked.push_back(key);
    return true;
  });
  for (const auto& key : asked) {
    auto* pending = store_.pending(key);
    if (pending == nullptr) continue;
    end_question(key, *pending);
    enquire(key, *pending, Shape::control, now, out);
  }
}

// What was told without bytes, since this rank has been sent them before: so have the children that asked
// here, the others have not.
Publish Node::for_child(Rank child, const Publish& publish, Instant now) {
  if (publish.published != Published::unchanged) return publish;
  const auto* ready = store_.ready(publish.key);
  if (ready == nullptr || ready->published != 0 || !ready->outcome.value.ok() ||
      ready->outcome.tag != publish.tag)
    return publish;
  const auto only = ready->askers.only();
  if (only ? only == child : !ready->askers.none()) return publish;
  auto outcome = ready->outcome;
  outcome.fresh_until = after(now, publish.fresh_for);
  return publication(publish.key, publish.number, outcome, false, now);
}

// The outcome itself, or that the one with this tag is fresh again.
void Node::on_told(const Publish& publish, Instant now, Actions& out) {
  const auto& key = publish.key;
  const bool renewed = publish.published == Published::unchanged;
  Outcome outcome{publish.value, publish.tag, after(now, publish.fresh_for)};
  if (auto* pending = store_.pending(key)) {
    pending->published = publish.number;
    store_.drop_told(key, publish.number);
    end_question(key, *pending);
    if (renewed) {
      if (!pending->previous || pending->previous->tag != publish.tag)  // not here: its bytes are asked for
        return enquire(key, *pending, Shape::control, now, out);
      counters_.add(Counter::publications_held);
      outcome.value = pending->previous->value;
    }
    return settle(key, std::move(outcome), false, false, now, out);
  }
  if (auto* ready = store_.ready(key)) {
    ready->published = publish.number;
    if (ready->outcome.value.ok() && ready->outcome.tag == publish.tag) {
      counters_.add(Counter::publications_held);
      store_.set_fresh_until(key, std::max(ready->outcome.fresh_until, outcome.fresh_until));
      return;
    }
    if (renewed) {  // another edition is fresh
      store_.set_fresh_until(key, std::min(ready->outcome.fresh_until, now));
      return;
    }
    store_.forget(key);
  }
  if (renewed || !worth_keeping(outcome, now)) return;
  counters_.add(Counter::evictions, store_.keep(key, Ready{.outcome = std::move(outcome),
                                                           .askers = {},
                                                           .published = publish.number,
                                                           .since = now}));
}

// What nobody here has asked for drives nothing out that somebody may ask for. (Else, where a cache is too
// small, a block that is offered drives out the next one, whose children then ask for it, which has it loaded
// and offered again, for ever.)
bool Node::wanted_unasked(const Key& key) const {
  const auto begin = std::uint64_t{key.block} * limits::block_bytes;
  const auto bytes = begin < key.version.size ? std::min(key.version.size - begin, limits::block_bytes) : 0;
  return bytes + Store::overhead + key.path.size() <= store_.room();
}

// The bytes are to be had of the parent in the bulk tree, which is offered them too.
void Node::on_offered(const Publish& publish, Instant now, Actions& out) {
  const auto& key = publish.key;
  if (auto* ready = store_.ready(key)) {
    ready->published = publish.number;
    if (ready->outcome.tag == publish.tag) {
      counters_.add(Counter::publications_held);
      store_.set_fresh_until(key, std::max(ready->outcome.fresh_until, after(now, publish.fresh_for)));
      return;
    }
    store_.set_fresh_until(key, std::min(ready->outcome.fresh_until, now));  // other bytes are fresh
  }
  auto* pending = store_.pending(key);
  if (pending == nullptr) {
    if (!wanted_unasked(key)) return counters_.add(Counter::offers_left);
    if (bulk_questions_ >= limits::offers_at_once || !room_for(key)) {
      if (line_.size() >= limits::offers_in_line) return counters_.add(Counter::offers_left);
      line_.push_back(key);
      offered_[key] = publish.number;
      return;
    }
    pending = &store_.begin(key, now);
    pending->published = publish.number;
  } else {
    pending->published = publish.number;
    store_.drop_told(key, publish.number);
    if (pending->arriving || pending->shape == Shape::bulk) return;
    end_question(key, *pending);
  }
  counters_.add(Counter::offers_taken);
  enquire(key, *pending, Shape::bulk, now, out);
}

}  // namespace copper
