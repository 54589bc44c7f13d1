// What a lane has asked of a rank, when that rank dies and another takes its segment over.
#include "fuse_frontend/rank/questions.h"

#include <spdlog/sinks/null_sink.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <span>
#include <thread>

#include "fuse_frontend/async.h"
#include "fuse_frontend/clock.h"
#include "service/arena.h"
#include "service/segment_index.h"
#include "test/service/scratch.h"
#include "tree/node/store.h"

namespace copper {
namespace {

using namespace std::chrono_literals;

const Key library = Key::file_block("/lus/x.so", 3, {1, 5 << 20, 3, 4});

struct Ranks {  // of one segment, one after the other
  Ranks() {
    segment.header().worker_generation = 1;
    segment.header().ranks = 1;
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
  explicit Lane(Ranks& of) : ranks(of) {}

  Task ask(Key key) {
    Request request(
        nullptr, *slots.take(),
        {slots, inbox, ranks.segment.header(), ranks.segment.header().fuse_latencies[0].operations[0]}, {},
        0);
    Asked asked(questions, request, std::move(key));
    const auto answered = co_await asked;
    text = answered.value.ok() ? std::string(answered.value->text()) : "an error";
    request.bytes({});
  }

  // Until storage has answered.
  void directly() {
    for (int tries = 0; text.empty() && tries < 1000; ++tries) {
      questions.watch(clock_now());
      questions.completions();
      std::this_thread::sleep_for(1ms);
    }
  }

  Ranks& ranks;
  Inbox inbox;
  NodePace pace{1000, ranks.segment.header().ranks};
  Slots slots{ranks.segment.slots().first(4)};
  Questions questions{
      ranks.segment,
      inbox,
      pace,
      std::make_shared<spdlog::logger>("none", std::make_shared<spdlog::sinks::null_sink_mt>()),
      {.lane = 0, .generation = 1, .direct = {}}};
  std::string text;  // answered
};

}  // namespace

TEST_CASE("what was asked of a rank that died is answered where its successor shows it") {
  Ranks ranks;
  Lane lane(ranks);
  lane.questions.watch(Instant{100s});
  const auto before = ranks.posts();
  lane.ask(library);
  CHECK(ranks.posts() == before + 1);
  CHECK(lane.text.empty());
  ranks.keep(library, "code");
  ranks.next_rank();
  lane.questions.watch(Instant{100s} + 1ms);
  CHECK(lane.text == "code");
  CHECK(!lane.questions.watch_due(Instant{100s} + 1ms));
}

TEST_CASE("what the successor does not have is asked of it anew") {
  Ranks ranks;
  Lane lane(ranks);
  lane.questions.watch(Instant{100s});
  lane.ask(library);
  const auto before = ranks.posts();
  ranks.next_rank();
  lane.questions.watch(Instant{100s} + 1ms);
  CHECK(ranks.posts() == before + 2);  // and that the mount is there
  CHECK(lane.text.empty());
  ranks.keep(library, "code");
  ranks.next_rank();
  lane.questions.watch(Instant{100s} + 2ms);
  CHECK(lane.text == "code");
}

TEST_CASE("over a damaged ring no rank is asked, however it lives, and the next one is again") {
  Ranks ranks;
  Lane lane(ranks);
  lane.questions.watch(clock_now());
  auto& rings = ranks.segment.lane(0);
  auto& index = GENERATE(0, 1) == 0 ? rings.completions.tail : rings.posts.head;
  const auto was = index.exchange(1 << 30);
  lane.ask(library);
  ++ranks.segment.header().service_alive_ns;
  lane.directly();
  CHECK(lane.text == "an error");  // of storage: there is no such file
  CHECK(ranks.segment.header().fuse_counters[static_cast<std::size_t>(segment::FuseCounter::fuse_damaged)] ==
        1);
  if (&index == &rings.posts.head) index = was;  // which the next rank would mend
  ranks.keep(library, "code");
  ranks.next_rank();
  lane.questions.watch(clock_now());
  CHECK(plausible(rings.completions));
  lane.text.clear();
  lane.ask(library);
  CHECK(lane.text == "code");
}

TEST_CASE("what a rank has ready is shown where it is whole, whether it lives or not") {
  Ranks ranks;
  Lane lane(ranks);
  ranks.keep(library, "code");
  const bool silent = GENERATE(true, false);
  for (auto now = clock_now() - 6s; silent && now < clock_now(); now += 200ms) lane.questions.watch(now);
  lane.ask(library);
  CHECK(lane.text == "code");
  const auto code = std::ranges::search(ranks.segment.arena(), std::as_bytes(std::span("code", 4)));
  REQUIRE(!code.empty());
  code.front() ^= std::byte{1};
  lane.text.clear();
  lane.ask(library);
  lane.directly();
  CHECK(lane.text == "an error");  // of storage
  CHECK(ranks.segment.header().fuse_counters[static_cast<std::size_t>(segment::FuseCounter::fuse_damaged)] ==
        1);
}

}  // namespace copper
