// A question: from the front end or a child, to the parent or storage, and who waits for it. See node.h.
#include "tree/limits.h"
#include "tree/node/node.h"

namespace copper {
namespace {

Counter load_counter(Kind kind) {
  switch (kind) {
    case Kind::listing:
      return Counter::loads_listing;
    case Kind::entry:
      return Counter::loads_entry;
    case Kind::block:
      return Counter::loads_block;
    case Kind::filesystem:
      break;
  }
  return Counter::loads_filesystem;
}

}  // namespace

void Node::on_ask(Client client, Key key, Tag have, Instant now, Actions& out) {
  counters_.add(Counter::client_asks);
  paths_.add(key, {.asks = 1});
  on_cancel(client);
  ask({client, have}, key, now, out);
  if (key.kind == Kind::block) read_ahead(key, now, out);
}

void Node::on_found(const Key& key, Instant now, Actions& out) {
  counters_.add(Counter::client_asks);
  counters_.add(Counter::client_hits);
  counters_.add(Counter::client_found);
  paths_.add(key, {.asks = 1, .hits = 1});
  auto* ready = store_.ready(key);
  if (ready != nullptr && ready->outcome.fresh(now)) {  // else it has gone since
    const Waiter finder{Client{}};
    note_absent(key, ready->outcome);
    note_use(finder, key, *ready, now, out);
    ready->given.add(finder.asker);
    note_given(key, *ready);
  }
  if (key.kind == Kind::block) read_ahead(key, now, out);
}

void Node::on_cancel(Client client) {
  if (store_.drop_client(client)) counters_.add(Counter::cancelled);
}

void Node::ask(const Waiter& waiter, const Key& key, Instant now, Actions& out) {
  const bool is_client = std::holds_alternative<Client>(waiter.asker);
  auto* ready = store_.ready(key);
  if (ready != nullptr && waiter.hears(ready->published)) return;
  if (ready != nullptr && ready->outcome.fresh(now)) {
    counters_.add(is_client ? Counter::client_hits : Counter::child_hits);
    if (is_client) paths_.add(key, {.hits = 1});
    note_use(waiter, key, *ready, now, out);
    if (waiter.hears(ready->published)) return;
    answer(waiter, key, ready->outcome, now, out);
    ready->given.add(waiter.asker);
    return note_given(key, *ready);
  }
  if (auto* pending = store_.pending(key)) {
    counters_.add(is_client ? Counter::client_joined : Counter::child_joined);
    note_asker(waiter, key, pending->askers, !pending->previous);
    if (waiter.hears(pending->published)) return;
    if (pending->arriving && !is_client && !pending->expired) {
      pending->given.add(waiter.asker);
      return pass_on(waiter, key, *pending->arriving, now, out);
    }
    store_.join(key, waiter);
    return;
  }
  const auto offer = offered_.find(key);
  if (offer != offered_.end() && waiter.hears(offer->second)) return;
  auto& pending = store_.begin(key, now);
  note_asker(waiter, key, pending.askers, !pending.previous);
  store_.join(key, waiter);
  auto shape = waiter.shape;
  if (offer != offered_.end()) {  // its turn has come
    shape = Shape::bulk;
    pending.published = offer->second;
    counters_.add(Counter::offers_taken);
    offered_.erase(offer);
  }
  enquire(key, pending, shape, now, out);
}

// What is fresh has been asked for once more; at a root that may be reason to tell everyone.
void Node::note_use(const Waiter& waiter, const Key& key, Ready& ready, Instant now, Actions& out) {
  ++ready.hits;
  store_.touch(key);
  const auto answered = ready.askers.only();
  note_asker(waiter, key, ready.askers, false);
  if (at_root(key) && sharing_.worth_publishing(ready.askers)) publish(key, ready, false, answered, now, out);
}

// A root watches which branches ask for the same, every rank which of its children it has answered.
void Node::note_asker(const Waiter& waiter, const Key& key, Askers& askers, bool first) {
  const auto* rank = std::get_if<Rank>(&waiter.asker);
  if (at_root(key)) {
    sharing_.asked(key, askers, rank == nullptr ? self_ : *rank, first);
  } else if (rank != nullptr) {
    askers.add(*rank);
  }
}

// A block of a file that all have who would ask for it here: the node's kernel keeps it, and the children.
void Node::note_given(const Key& key, Ready& ready) {
  if (key.kind != Kind::block || !ready.given.client) return;
  const auto& place = place_of(key);
  const auto children = ready.published != 0 ? place.bulk_children : place.children.size();
  if (ready.given.children >= children) store_.spend(key);
}

// Asks the parent in that tree, or storage where there is none.
void Node::enquire(const Key& key, Pending& pending, Shape shape, Instant now, Actions& out,
                   std::optional<std::uint64_t> seen) {
  auto& place = place_of(key);
  pending.shape = shape;
  pending.expired = false;
  pending.in_line = key.kind == Kind::block && place.blocks_under_way >= blocks_max_;
  if (pending.in_line) {
    counters_.add(Counter::waited_for_room);
    return place.line.push_back(key);
  }
  if (key.kind == Kind::block) ++place.blocks_under_way;
  pending.on = shape == Shape::bulk ? place.bulk_parent : place.parent;
  if (!pending.on) {
    counters_.add(load_counter(key.kind));
    paths_.add(key, {.loads = 1});
    Load load{key, {}};
    if (pending.previous) load.previous = *pending.previous->value;
    out.push_back(std::move(load));
    return;
  }
  liveness_.owes(*pending.on, now);
  if (shape == Shape::bulk) ++bulk_questions_;
  if (liveness_.dead(*pending.on)) return fail(key, now, out);
  pending.asked = now;
  pending.asked_again = 0;
  if (!look_again_) look_again_ = now + limits::peer_patience;
  counters_.add(Counter::asks_sent);
  const Tag have = pending.previous ? pending.previous->tag : 0;
  out.push_back(Send{*pending.on, Ask{key, have, shape, seen.value_or(place.seen)}});
}

// Who was asked owes nothing more.
void Node::end_question(const Key& key, Pending& pending) {
  if (key.kind == Kind::block && !pending.in_line) --place_of(key).blocks_under_way;
  pending.in_line = false;
  if (pending.on) {
    liveness_.paid(*pending.on);
    if (pending.shape == Shape::bulk) --bulk_questions_;
  }
  if (pending.arriving && !pending.arriving->arrival->complete()) pending.arriving->arrival->abandon();
  pending.on.reset();
  pending.arriving.reset();
}

}  // namespace copper
