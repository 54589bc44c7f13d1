// Answers whose bytes are not in the arena, since it was full when they came.
#include "service/ring_clients.h"

#include <catch2/catch.hpp>
#include <thread>

#include "service/storage/storage.h"
#include "test/service/scratch.h"

namespace copper {
namespace {

using segment::CompletionRecord;
using segment::PostRecord;
using std::chrono::milliseconds;

// The arena, which has no room while it is said to be full.
class Room final : public Memory {
 public:
  explicit Room(Arena& arena) : arena_(arena) {}
  std::optional<Buffer> allocate(const Key& key, std::size_t size) override {
    return full ? std::nullopt : arena_.allocate(key, size);
  }
  Bytes seal(Buffer buffer, Tag tag) override { return arena_.seal(std::move(buffer), tag); }
  bool full = true;

 private:
  Arena& arena_;
};

struct Rig {
  void ask(std::uint64_t number) {
    auto* post = posts.reserve();
    REQUIRE(post != nullptr);
    *post = PostRecord{};
    post->kind = segment::PostKind::ask;
    post->generation = 1;
    post->client = std::uint64_t{1} << 32 | number;
    post->key_kind = static_cast<std::uint8_t>(Kind::entry);
    post->path_bytes = 2;
    post->path[0] = '/', post->path[1] = 'f';
    posts.publish();
    const auto event = clients.event();
    REQUIRE(event);
    REQUIRE(std::holds_alternative<Question>(*event));
  }
  void cancel(std::uint64_t number) {
    auto* post = posts.reserve();
    REQUIRE(post != nullptr);
    *post = PostRecord{};
    post->kind = segment::PostKind::cancel;
    post->generation = 1;
    post->client = std::uint64_t{1} << 32 | number;
    posts.publish();
    CHECK(!clients.event());
  }
  void answer(std::uint64_t number) {
    clients.reply({.client = Client{std::uint64_t{1} << 32 | number},
                   .outcome = {.value = Bytes::copy_of("an entry"), .fresh_until = {}}},
                  {});
  }
  std::optional<CompletionRecord> completion() {
    clients.event();
    const auto* front = completions.front();
    if (front == nullptr) return std::nullopt;
    const auto record = *front;
    completions.pop();
    return record;
  }

  Scratch scratch;
  Segment segment =
      Segment::own({.stem = scratch / "node", .lanes = 1, .arena_bytes = 256 << 10}, milliseconds(0));
  std::optional<Segment> front_end = Segment::attach(scratch / "node", milliseconds(0));
  const bool worker = (segment.header().worker_generation = 1) == 1;
  const bool mounted =
      (segment.header().mount_state = static_cast<std::uint32_t>(segment::MountState::mounted)) != 0;
  Arena arena{segment};
  Room room{arena};
  Counters counters;
  RingClients clients{segment, arena, room, counters};
  PostProducer posts{segment.lane(0).posts};
  CompletionConsumer completions{segment.lane(0).completions};
};

}  // namespace

TEST_CASE("an answer waits for room in the arena, in the order in which they came") {
  Rig rig;
  rig.ask(1);
  rig.ask(2);
  rig.answer(1);
  CHECK(!rig.completion());
  rig.room.full = false;
  rig.answer(2);  // not ahead of the first
  const auto first = rig.completion();
  REQUIRE(first);
  CHECK(first->client == (std::uint64_t{1} << 32 | 1));
  CHECK(first->error == 0);
  CHECK(first->bytes == 8);
  const auto second = rig.completion();
  REQUIRE(second);
  CHECK(second->error == 0);
  CHECK(rig.counters[Counter::no_room] == 0);
}

TEST_CASE("it waits no longer than is stated, and the next one not at all until there has been room") {
  Rig rig;
  for (std::uint64_t client = 1; client <= 4; ++client) rig.ask(client);
  const auto begin = std::chrono::steady_clock::now();
  rig.answer(1);
  auto completion = rig.completion();
  while (!completion && std::chrono::steady_clock::now() - begin < 10 * room_patience)
    completion = rig.completion();
  REQUIRE(completion);
  CHECK(std::chrono::steady_clock::now() - begin >= room_patience);
  CHECK(completion->error == ENOBUFS);
  rig.answer(2);
  completion = rig.completion();
  REQUIRE(completion);
  CHECK(completion->error == ENOBUFS);
  CHECK(rig.counters[Counter::no_room] == 2);
  rig.room.full = false;
  rig.answer(3);
  REQUIRE(rig.completion());
  rig.room.full = true;
  rig.answer(4);
  CHECK(!rig.completion());
}

TEST_CASE("a front end that was killed is told nothing, and holds up no clear") {
  Rig rig;
  rig.room.full = false;
  rig.clients.clear("/lib", 1);
  const auto told = rig.completion();
  REQUIRE(told);
  CHECK(told->kind == segment::CompletionKind::clear);
  CHECK(!rig.clients.event());  // it has not answered
  const auto used = rig.arena.used();
  rig.front_end.reset();  // without a word
  rig.clients.notice(Key::listing("/lib"));
  rig.clients.clear("/lib", 2);
  for (std::uint64_t number = 1; number <= 2; ++number) {
    const auto event = rig.clients.event();
    REQUIRE(event);
    REQUIRE(std::holds_alternative<FrontEndCleared>(*event));
    CHECK(std::get<FrontEndCleared>(*event).number == number);
  }
  CHECK(!rig.completion());
  CHECK(rig.arena.used() == used);
}

TEST_CASE("what waits for room comes before what is told after it, and not to who cancels") {
  Rig rig;
  rig.ask(1);
  rig.answer(1);
  rig.clients.notice(Key::listing("/lib"));
  auto completion = rig.completion();
  REQUIRE(completion);
  CHECK(completion->kind == segment::CompletionKind::outcome);
  CHECK(completion->error == ENOBUFS);
  completion = rig.completion();
  REQUIRE(completion);
  CHECK(completion->kind == segment::CompletionKind::notice);

  rig.ask(2);
  rig.ask(3);
  rig.answer(2);
  rig.cancel(2);
  rig.completion();
  rig.room.full = false;
  rig.answer(3);
  completion = rig.completion();
  REQUIRE(completion);
  CHECK(completion->client == (std::uint64_t{1} << 32 | 3));
  CHECK(completion->error == 0);
}

TEST_CASE("what waits for room is dropped with the worker that asked") {
  Rig rig;
  rig.ask(1);
  rig.answer(1);
  rig.segment.header().worker_generation = 2;
  rig.room.full = false;
  const auto event = rig.clients.event();
  REQUIRE(event);
  CHECK(std::holds_alternative<WorkerGone>(*event));
  CHECK(!rig.completion());
  CHECK(rig.arena.used() == 0);
}

}  // namespace copper
