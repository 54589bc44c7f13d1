// What a lane has asked of a rank, when that rank dies and another takes its segment over.
#include "fuse_frontend/rank/questions.h"

#include <spdlog/sinks/null_sink.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "fuse_frontend/async.h"
#include "service/arena.h"
#include "service/segment_index.h"
#include "test/service/scratch.h"
#include "tree/store.h"

namespace copper {
namespace {

using namespace std::chrono_literals;

const Key library = Key::file_block("/lus/x.so", 3, {1, 5 << 20, 3, 4});

struct Node {
  Node() {
    segment.header().worker_generation = 1;
    next_rank();
  }

  // One that died has left what it had.
  void next_rank() {
    ++segment.header().service_generation;
    ++segment.header().service_alive_ns;
  }
  void keep(const Key& key, std::string_view text) {
    auto buffer = arena.allocate(key, text.size());
    REQUIRE(buffer);
    std::memcpy(buffer->data(), text.data(), text.size());
    const auto tag = tag_of(buffer->span());
    store.keep(key, {.outcome = {arena.seal(std::move(*buffer), tag), tag, Instant::max()}, .askers = {}});
  }
  std::uint64_t posts() const { return segment.lane(0).posts.tail; }

  Scratch scratch;
  Segment segment = Segment::own({.stem = scratch.path() / "node0", .lanes = 1, .arena_bytes = 1 << 20}, 1s);
  SegmentIndex index{segment};
  Arena arena{segment};
  Store store{1 << 20, &index};
};

struct Lane {
  explicit Lane(Node& of) : node(of) {}

  Task ask(Key key) {
    Request request(
        nullptr, *slots.take(),
        {slots, inbox, node.segment.header(), node.segment.header().fuse_latencies[0].operations[0]}, {}, 0);
    Asked asked(questions, request, std::move(key));
    const auto answered = co_await asked;
    text = answered.value.ok() ? std::string(answered.value->text()) : "an error";
    request.bytes({});
  }

  Node& node;
  Inbox inbox;
  Slots slots{node.segment.slots().first(4)};
  Questions questions{
      node.segment,
      inbox,
      std::make_shared<spdlog::logger>("none", std::make_shared<spdlog::sinks::null_sink_mt>()),
      {.lane = 0, .generation = 1, .direct = {}}};
  std::string text;  // answered
};

}  // namespace

TEST_CASE("what was asked of a rank that died is answered where its successor shows it") {
  Node node;
  Lane lane(node);
  lane.questions.watch(Instant{100s});
  const auto before = node.posts();
  lane.ask(library);
  CHECK(node.posts() == before + 1);
  CHECK(lane.text.empty());
  node.keep(library, "code");
  node.next_rank();
  lane.questions.watch(Instant{100s} + 1ms);
  CHECK(lane.text == "code");
  CHECK(!lane.questions.watch_due(Instant{100s} + 1ms));
}

TEST_CASE("what the successor does not have is asked of it anew") {
  Node node;
  Lane lane(node);
  lane.questions.watch(Instant{100s});
  lane.ask(library);
  const auto before = node.posts();
  node.next_rank();
  lane.questions.watch(Instant{100s} + 1ms);
  CHECK(node.posts() == before + 2);  // and that the mount is there
  CHECK(lane.text.empty());
}

}  // namespace copper
