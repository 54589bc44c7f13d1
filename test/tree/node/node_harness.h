// One node, driven by hand: each call returns the actions that it caused. The test turns the clock.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "tree/limits.h"
#include "tree/node/node.h"

namespace copper::test {

using namespace std::chrono_literals;

inline const Key an_entry = Key::entry("/d/f");
inline const Key a_listing = Key::listing("/d");
inline const Key a_block = Key::file_block("/d/f", 0, {1, 2, 3, 4});

inline Client client(std::uint32_t n) { return Client{std::uint64_t{1} << 32 | n}; }

inline Tag tag(std::string_view text) { return tag_of(Bytes::copy_of(text).span()); }

class NodeHarness {
 public:
  NodeHarness(std::uint32_t self, const Topology& topology, std::size_t store_bytes = 1 << 20,
              PublishPolicy publish = PublishPolicy::automatic)
      : node(Rank{self}, topology, NodeOptions{store_bytes, publish}) {}

  Actions ask(std::uint32_t n, const Key& key, Tag have = 0) {
    Actions out;
    node.on_ask(client(n), key, have, now, out);
    return out;
  }
  Actions found(const Key& key) {
    Actions out;
    node.on_found(key, now, out);
    return out;
  }
  Actions message(std::uint32_t from, Message said) {
    Actions out;
    node.on_message(Rank{from}, std::move(said), now, out);
    return out;
  }
  Actions loaded(const Key& key, std::string_view text, Duration fresh_for = for_the_job) {
    Actions out;
    node.on_loaded({key, false, Bytes::copy_of(text), tag(text), fresh_for}, now, out);
    return out;
  }
  Actions loaded_unchanged(const Key& key, Duration fresh_for) {
    Actions out;
    node.on_loaded({key, true, Errno{EIO}, 0, fresh_for}, now, out);
    return out;
  }
  Actions loaded_error(const Key& key, int error, Duration fresh_for = 2s) {
    Actions out;
    node.on_loaded({key, false, Errno{error}, 0, fresh_for}, now, out);
    return out;
  }
  Actions time_passes(Duration duration) {
    Actions out;
    now += duration;
    node.on_time(now, out);
    return out;
  }
  std::uint64_t count(Counter counter) const { return node.counters()[counter]; }

  Node node;
  Instant now{1s};
};

inline Answer answer(const Key& key, std::string_view text, Duration fresh_for = for_the_job) {
  return {key, false, Bytes::copy_of(text), tag(text), fresh_for};
}

// Bytes that ride along with a publication, and some that are offered where they are a file block's.
inline const std::string small = "attributes";
inline const std::string large(limits::inline_bytes + 1, 'x');

inline Publish told(const Key& key, std::uint64_t number, std::string_view text,
                    Duration fresh_for = for_the_job) {
  return {
      .key = key, .number = number, .value = Bytes::copy_of(text), .tag = tag(text), .fresh_for = fresh_for};
}
inline Publish offered(const Key& key, std::uint64_t number, std::string_view text) {
  return {.key = key,
          .number = number,
          .published = Published::offered,
          .tag = tag(text),
          .fresh_for = for_the_job};
}
inline Answer arriving(const Key& key, std::string_view text) {
  const auto room = *HeapMemory().allocate(key, text.size());
  std::ranges::copy(std::as_bytes(std::span(text)), room.data());
  return {.key = key,
          .value = Bytes{},
          .tag = tag(text),
          .fresh_for = for_the_job,
          .arrival = std::make_shared<const Arrival>(room)};
}
// The same, when it has arrived.
inline Answer arrived(Answer header) {
  header.value = Bytes(header.arrival->owner(), header.arrival->size());
  header.arrival = nullptr;
  return header;
}
inline Ask ask_seen(const Key& key, std::uint64_t seen, Shape shape = Shape::control) {
  return {.key = key, .have = 0, .shape = shape, .seen = seen};
}

// The action of a kind at a place; the test fails where it is another.
template <class A>
const A& action(const Actions& actions, std::size_t i = 0) {
  REQUIRE(i < actions.size());
  REQUIRE(std::holds_alternative<A>(actions[i]));
  return std::get<A>(actions[i]);
}
template <class M>
const M& sent(const Actions& actions, std::uint32_t to, std::size_t i = 0) {
  const auto& send = action<Send>(actions, i);
  CHECK(send.to == Rank{to});
  REQUIRE(std::holds_alternative<M>(send.message));
  return std::get<M>(send.message);
}
inline std::string text(const Reply& reply) { return std::string(reply.outcome.value->text()); }

}  // namespace copper::test
