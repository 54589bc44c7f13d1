#include "tree/node/node.h"

#include <algorithm>
#include <utility>

#include "tree/assert.h"
#include "tree/limits.h"

namespace copper {
namespace {

// Is the key bound to one version, so that ESTALE is an answer to it?
bool versioned(const Key& key) {
  return key.kind == Kind::block || (key.kind == Kind::listing && key.block > 0);
}

// Is it what became of the payload that was arriving?
bool ends(const Answer& answer, const Arrival& arrival) {
  return answer.damaged || (answer.value.ok() && answer.value->data() == arrival.data());
}

}  // namespace

Node::Node(Rank self, const Topology& topology, const NodeOptions& options, ReadyIndex* index)
    : self_(self),
      topology_(topology),
      store_(options.store_bytes, index),
      sharing_(options.publish),
      blocks_max_(
          std::max(options.store_bytes / limits::under_way_part / limits::block_bytes / topology.trees(),
                   limits::under_way_min)),
      paths_(options.paths_counted) {
  ensure(topology.contains(self), "a node is one of the ranks");
  for (std::uint32_t t = 0; t < topology.trees(); ++t)
    places_.push_back({.parent = topology.parent(self, Tree{t}, Shape::control),
                       .bulk_parent = topology.parent(self, Tree{t}, Shape::bulk),
                       .children = topology.children(self, Tree{t}, Shape::control),
                       .bulk_children = topology.children(self, Tree{t}, Shape::bulk).size(),
                       .line = {}});
}

// ---- answering ----

void Node::note_absent(const Key& key, const Outcome& outcome) {
  if (!outcome.value.ok() && outcome.value.error() == Errno{ENOENT}) paths_.add(key, {.absent = 1});
}

void Node::answer(const Waiter& waiter, const Key& key, const Outcome& outcome, Instant now, Actions& out) {
  const bool unchanged = outcome.value.ok() && waiter.have != 0 && waiter.have == outcome.tag;
  if (const auto* client = std::get_if<Client>(&waiter.asker)) {
    note_absent(key, outcome);
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

// The same, while the bytes still arrive.
void Node::pass_on(const Waiter& waiter, const Key& key, const Arriving& arriving, Instant now,
                   Actions& out) {
  const bool unchanged = waiter.have != 0 && waiter.have == arriving.tag;
  Answer answer{.key = key,
                .unchanged = unchanged,
                .value = Bytes{},
                .tag = arriving.tag,
                .fresh_for = left(arriving.fresh_until, now)};
  if (!unchanged) answer.arrival = arriving.arrival;
  out.push_back(Send{std::get<Rank>(waiter.asker), std::move(answer)});
}

// pending -> ready, or absent; everyone who waits is answered, or told with all others.
void Node::settle(const Key& key, Outcome outcome, bool suspect, bool renewed, Instant now, Actions& out) {
  Pending ended = store_.end(key);
  const bool of_a_parent = ended.asked != Instant{};
  if (of_a_parent && !first_answer_ && (outcome.value.ok() || remembered(outcome.value.error())))
    first_answer_ = FirstAnswer{key.kind, now};
  const bool keep = worth_keeping(outcome, now);
  const bool publishing = keep && outcome.fresh(now) && at_root(key) && !place_of(key).children.empty() &&
                          sharing_.worth_publishing(ended.askers);
  if (keep) {
    const bool same = ended.previous && ended.previous->tag == outcome.tag;
    const Ready ready{outcome,     suspect,     ended.askers,          ended.published,
                      ended.given, ended.known, same ? ended.hits : 0, now};
    counters_.add(Counter::evictions, store_.keep(key, ready));
  }
  auto* ready = store_.ready(key);  // null where it is not worth keeping, or too large
  std::uint64_t told = 0;
  if (publishing && ready != nullptr) {
    publish(key, *ready, renewed && ended.published != 0, std::nullopt, now, out);
    told = ready->published;
  }
  for (const auto& waiter : ended.waiters) {
    if (waiter.hears(told)) continue;
    answer(waiter, key, outcome, now, out);
    if (ready != nullptr) ready->given.add(waiter.asker);
  }
  if (ready != nullptr) note_given(key, *ready);
}

// ---- messages ----

void Node::on_message(Rank from, Message message, Instant now, Actions& out) {
  liveness_.heard(from, now);
  bool good = false;
  if (auto* ask_message = std::get_if<Ask>(&message)) {
    good = on_child_ask(from, *ask_message, now, out);
  } else if (auto* answer_message = std::get_if<Answer>(&message)) {
    good = on_answer(from, *answer_message, now, out);
  } else if (auto* publish_message = std::get_if<Publish>(&message)) {
    good = on_publish(from, *publish_message, now, out);
  } else if (const auto* expire_message = std::get_if<Expire>(&message)) {
    good = place_of(expire_message->key).parent == from;
    if (good) expire(expire_message->key, now, out);
  } else if (const auto* ping = std::get_if<Ping>(&message)) {
    good = topology_.contains(from);
    if (good && !ping->answer) out.push_back(Send{from, Ping{.answer = true}});
  }
  if (!good) counters_.add(Counter::messages_refused);
  serve_line(now, out);
}

bool Node::on_child_ask(Rank from, Ask& message, Instant now, Actions& out) {
  const auto tree = topology_.tree_of(message.key);
  if (!topology_.contains(from) || topology_.parent(from, tree, message.shape) != self_) return false;
  if (message.shape == Shape::bulk && message.key.kind != Kind::block) return false;
  counters_.add(Counter::child_asks);
  ask({from, message.have, message.shape, message.seen}, message.key, now, out);
  return true;
}

bool Node::on_answer(Rank from, Answer& answer, Instant now, Actions& out) {
  const auto& place = place_of(answer.key);
  if (from != place.parent && from != place.bulk_parent) return false;
  auto* pending = store_.pending(answer.key);
  if (pending == nullptr || pending->on != from || (answer.arrival && pending->arriving)) {
    counters_.add(Counter::answers_unasked);
    return true;
  }
  if (answer.arrival) {
    pending->arriving = Arriving{answer.arrival, answer.tag, after(now, answer.fresh_for)};
    const auto arriving = *pending->arriving;
    pending->given = {};
    for (const auto& waiter : store_.take_ranks(answer.key)) {
      pending->given.add(waiter.asker);
      pass_on(waiter, answer.key, arriving, now, out);
    }
    return true;
  }
  if (pending->arriving && !ends(answer, *pending->arriving->arrival)) {
    counters_.add(Counter::answers_unasked);  // to a former question: these bytes come to their own end
    return true;
  }
  // Not what the tree says, but what has become of an edge: the control tree is asked instead, or again.
  const bool on_edge = pending->shape == Shape::bulk || answer.damaged;
  // Bytes are as fresh as they were when they began to come.
  const auto fresh_until = pending->arriving ? pending->arriving->fresh_until : after(now, answer.fresh_for);
  end_question(answer.key, *pending);
  if (pending->expired) {  // it may have been sent before the clear
    enquire(answer.key, *pending, Shape::control, now, out);
    return true;
  }
  Outcome outcome{std::move(answer.value), answer.tag, fresh_until};
  const bool failed = !answer.unchanged && !outcome.value.ok();
  if (failed && on_edge && pending->repeats++ < limits::load_repeats) {
    enquire(answer.key, *pending, Shape::control, now, out);
    return true;
  }
  if (answer.damaged) outcome.value = not_carried;
  if (answer.unchanged) {
    if (!pending->previous || pending->previous->tag != answer.tag) {
      counters_.add(Counter::answers_unasked);  // to a former question: we hold no such bytes, ask for them
      store_.forget_previous(answer.key);
      enquire(answer.key, *pending, Shape::control, now, out);
      return true;
    }
    counters_.add(Counter::answers_unchanged);
    outcome.value = pending->previous->value;
  }
  settle(answer.key, std::move(outcome), false, false, now, out);
  return true;
}

void Node::on_loaded(Loaded loaded, Instant now, Actions& out) {
  auto* pending = store_.pending(loaded.key);
  ensure(pending != nullptr && at_root(loaded.key), "storage answers what this root asked");
  end_question(loaded.key, *pending);
  if (!loaded.looked) counters_.add(Counter::loads_known);

  Outcome outcome{std::move(loaded.value), loaded.tag, after(now, loaded.fresh_for)};
  if (loaded.unchanged) {
    ensure(pending->previous.has_value(), "storage finds unchanged what it was shown");
    counters_.add(Counter::loads_unchanged);
    outcome.value = pending->previous->value;
    outcome.tag = pending->previous->tag;
  } else if (outcome.value.ok()) {
    ensure(outcome.tag != 0, "bytes have a tag");
    counters_.add(Counter::bytes_loaded, outcome.value->size());
    paths_.add(loaded.key, {.bytes = outcome.value->size()});
  } else if (!remembered(outcome.value.error())) {
    counters_.add(Counter::loads_failed);
  }

  if (!outcome.value.ok()) outcome.tag = 0;

  if (pending->expired && pending->repeats < limits::load_repeats) {
    ++pending->repeats;
    store_.forget_previous(loaded.key);
    return enquire(loaded.key, *pending, Shape::control, now, out);
  }
  const bool suspect = pending->expired;
  if (suspect) outcome.fresh_until = std::min(outcome.fresh_until, now);

  const bool gone = versioned(loaded.key) && !outcome.value.ok() && outcome.value.error() == Errno{ESTALE};
  const bool other_bytes = loaded.key.kind == Kind::block && outcome.value.ok() && pending->previous &&
                           pending->previous->tag != outcome.tag;
  if (other_bytes || (gone && !gone_lately(loaded.key, now))) expire(loaded.key, now, out);
  settle(loaded.key, std::move(outcome), suspect, loaded.unchanged, now, out);
  serve_line(now, out);
}

// ---- the rest ----

void Node::adopt(const Key& key, Outcome outcome, Instant now) {
  if (!outcome.value.ok() || store_.contains(key)) return;
  if (!versioned(key) || outcome.fresh_until != Instant::max())
    outcome.fresh_until = std::min(outcome.fresh_until, now);
  counters_.add(Counter::evictions,
                store_.keep(key, Ready{.outcome = std::move(outcome), .askers = {}, .since = now}));
}

std::vector<Node::Waiting> Node::waiting(Instant now, std::size_t limit) const {
  std::vector<Waiting> list;
  store_.each_pending([&](const Key& key, const Pending& pending) {
    if (list.size() == limit) return false;
    list.push_back({key, now - pending.since, pending.waiters.size(), pending.on, pending.in_line});
    return true;
  });
  return list;
}

}  // namespace copper
