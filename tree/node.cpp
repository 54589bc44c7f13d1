#include "tree/node.h"

#include <algorithm>
#include <utility>

#include "tree/assert.h"
#include "tree/limits.h"

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

// Is the key bound to one version, so that ESTALE is an answer to it?
bool versioned(const Key& key) {
  return key.kind == Kind::block || (key.kind == Kind::listing && key.block > 0);
}

}  // namespace

Node::Node(Rank self, const Topology& topology, const NodeOptions& options)
    : self_(self), topology_(topology), store_(options.store_bytes) {
  ensure(topology.contains(self), "a node is one of the ranks");
}

bool Node::is_child(Rank rank, const Key& key) const {
  return topology_.contains(rank) && topology_.parent(rank, topology_.tree_of(key)) == self_;
}

// ---- asking ----

void Node::on_ask(Client client, Key key, Tag have, Instant now, Actions& out) {
  counters_.add(Counter::client_asks);
  on_cancel(client);
  ask(client, key, have, now, out);
}

void Node::on_cancel(Client client) {
  if (store_.drop_client(client)) counters_.add(Counter::cancelled);
}

void Node::ask(const Asker& asker, const Key& key, Tag have, Instant now, Actions& out) {
  const bool is_client = std::holds_alternative<Client>(asker);
  if (const auto* ready = store_.ready(key); ready != nullptr && ready->outcome.fresh(now)) {
    counters_.add(is_client ? Counter::client_hits : Counter::child_hits);
    store_.touch(key);
    answer({asker, have}, key, ready->outcome, now, out);
    return;
  }
  if (store_.pending(key) != nullptr) {
    counters_.add(is_client ? Counter::client_joined : Counter::child_joined);
    store_.join(key, {asker, have});
    return;
  }
  auto& pending = store_.begin(key, now);
  store_.join(key, {asker, have});
  enquire(key, pending, out);
}

// Asks the parent, or storage where there is none.
void Node::enquire(const Key& key, Pending& pending, Actions& out) {
  if (const auto up = parent(key)) {
    counters_.add(Counter::asks_sent);
    out.push_back(Send{*up, Ask{key, pending.previous ? pending.previous->tag : 0}});
    return;
  }
  counters_.add(load_counter(key.kind));
  Load load{key, {}};
  if (pending.previous) load.previous = *pending.previous->value;
  out.push_back(std::move(load));
}

// ---- answering ----

void Node::answer(const Waiter& waiter, const Key& key, const Outcome& outcome, Instant now, Actions& out) {
  const bool unchanged = outcome.value.ok() && waiter.have != 0 && waiter.have == outcome.tag;
  if (const auto* client = std::get_if<Client>(&waiter.asker)) {
    out.push_back(Reply{*client, unchanged, outcome});
    return;
  }
  Answer answer{.key = key,
                .unchanged = unchanged,
                .value = Errno{EIO},
                .tag = outcome.tag,
                .fresh_for = left(outcome.fresh_until, now)};
  if (!unchanged) answer.value = outcome.value;
  out.push_back(Send{std::get<Rank>(waiter.asker), std::move(answer)});
}

// pending -> ready, or absent; everyone who waits is answered.
void Node::settle(const Key& key, Outcome outcome, bool suspect, Instant now, Actions& out) {
  const Pending ended = store_.end(key);
  for (const auto& waiter : ended.waiters) answer(waiter, key, outcome, now, out);
  const bool worth_keeping = outcome.value.ok() || (remembered(outcome.value.error()) && outcome.fresh(now));
  if (worth_keeping) counters_.add(Counter::evictions, store_.keep(key, std::move(outcome), suspect));
}

void Node::on_message(Rank from, Message message, Instant now, Actions& out) {
  if (auto* ask_message = std::get_if<Ask>(&message)) {
    if (is_child(from, ask_message->key)) {
      counters_.add(Counter::child_asks);
      ask(from, ask_message->key, ask_message->have, now, out);
      return;
    }
  } else if (auto* answer_message = std::get_if<Answer>(&message)) {
    if (parent(answer_message->key) == from) {
      on_answer(from, std::move(*answer_message), now, out);
      return;
    }
  } else if (const auto* expire_message = std::get_if<Expire>(&message)) {
    if (parent(expire_message->key) == from) {
      expire(expire_message->key, now, out);
      return;
    }
  }
  counters_.add(Counter::messages_damaged);
}

void Node::on_answer(Rank, Answer answer, Instant now, Actions& out) {
  auto* pending = store_.pending(answer.key);
  if (pending == nullptr) {
    counters_.add(Counter::messages_damaged);
    return;
  }
  Outcome outcome{std::move(answer.value), answer.tag, after(now, answer.fresh_for)};
  if (answer.unchanged) {
    if (!pending->previous || pending->previous->tag != answer.tag) {
      counters_.add(Counter::messages_damaged);  // we hold no such bytes: ask for them
      store_.forget_previous(answer.key);
      enquire(answer.key, *pending, out);
      return;
    }
    counters_.add(Counter::answers_unchanged);
    outcome.value = pending->previous->value;
  }
  settle(answer.key, std::move(outcome), false, now, out);
}

void Node::on_loaded(Loaded loaded, Instant now, Actions& out) {
  auto* pending = store_.pending(loaded.key);
  ensure(pending != nullptr && !parent(loaded.key), "storage answers what this root asked");

  Outcome outcome{std::move(loaded.value), loaded.tag, after(now, loaded.fresh_for)};
  if (loaded.unchanged) {
    ensure(pending->previous.has_value(), "storage finds unchanged what it was shown");
    counters_.add(Counter::loads_unchanged);
    outcome.value = pending->previous->value;
    outcome.tag = pending->previous->tag;
  } else if (outcome.value.ok()) {
    ensure(outcome.tag != 0, "bytes have a tag");
    counters_.add(Counter::bytes_loaded, outcome.value->size());
  } else if (!remembered(outcome.value.error())) {
    counters_.add(Counter::loads_failed);
  }

  if (!outcome.value.ok()) outcome.tag = 0;

  if (pending->expired && pending->repeats < limits::load_repeats) {
    pending->expired = false;
    ++pending->repeats;
    store_.forget_previous(loaded.key);
    enquire(loaded.key, *pending, out);
    return;
  }
  const bool suspect = pending->expired;
  if (suspect) outcome.fresh_until = std::min(outcome.fresh_until, now);

  const bool gone = versioned(loaded.key) && !outcome.value.ok() && outcome.value.error() == Errno{ESTALE};
  const bool other_bytes = loaded.key.kind == Kind::block && outcome.value.ok() && pending->previous &&
                           pending->previous->tag != outcome.tag;
  if (other_bytes || (gone && !gone_lately(loaded.key, now))) expire(loaded.key, now, out);
  settle(loaded.key, std::move(outcome), suspect, now, out);
}

// ---- expiring ----

void Node::expire(const Key& key, Instant now, Actions& out) {
  if (key.kind == Kind::listing) {
    make_stale(Key::listing(key.path), now);
  } else {
    make_stale(Key::entry(key.path), now);
    make_stale(Key::listing(key.directory()), now);
  }
  for (const auto child : topology_.children(self_, topology_.tree_of(key)))
    out.push_back(Send{child, Expire{key}});
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
  const bool at_root = !parent(key);
  if (auto* ready = store_.ready(key)) {
    if (ready->outcome.fresh(now)) counters_.add(Counter::expired);
    ready->outcome.fresh_until = std::min(ready->outcome.fresh_until, now);
    ready->suspect = at_root;
  } else if (auto* pending = store_.pending(key)) {
    // Below the root nothing is amiss: an answer given before the Expire would have come before it.
    pending->expired = at_root;
  }
}

// ---- the rest ----

void Node::adopt(const Key& key, Outcome outcome) {
  if (!outcome.value.ok() || store_.contains(key)) return;
  counters_.add(Counter::evictions, store_.keep(key, std::move(outcome), false));
}

std::size_t Node::make_room(std::size_t bytes) {
  const auto dropped = store_.make_room(bytes);
  counters_.add(Counter::evictions, dropped.outcomes);
  return dropped.bytes;
}

std::vector<Node::Waiting> Node::waiting(Instant now, std::size_t limit) const {
  std::vector<Waiting> list;
  store_.each_pending([&](const Key& key, const Pending& pending) {
    if (list.size() == limit) return false;
    list.push_back({key, now - pending.since, pending.waiters.size(), parent(key)});
    return true;
  });
  return list;
}

}  // namespace copper
