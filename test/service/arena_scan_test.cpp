// The arena against a model, and what a restarted rank finds of it.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "service/arena.h"
#include "test/service/arena_harness.h"
#include "tree/limits.h"

namespace copper {
namespace {

// What a rank that starts over this region's bytes would find.
std::map<std::string, std::string> scan_copy(const Segment& from, Segment& to) {
  const std::size_t committed = from.header().arena_bytes_committed.load();
  REQUIRE(to.commit_arena(committed));
  std::memcpy(to.arena().data(), from.arena().data(), committed);
  std::map<std::string, std::string> found;
  Arena arena(to);
  std::vector<Bytes> kept;
  arena.scan([&](const Key& key, const Bytes& bytes, Tag tag) {
    CHECK(tag_of(bytes.span()) == tag);
    found.emplace(key.path, bytes.text());
    kept.push_back(bytes);
  });
  walk(to);
  return found;
}

}  // namespace

TEST_CASE("after any step a restarted rank finds exactly what was sealed") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0");
  auto copy = make_segment(scratch, "copy");
  Arena arena(segment);
  std::mt19937_64 random(1);
  std::map<std::string, Bytes> sealed;
  std::map<std::string, std::string> texts;
  std::vector<Buffer> filling;
  std::map<std::uint64_t, int> leases;  // of sealed or dropped blocks
  const auto pick = [&](auto& map) {
    return std::next(map.begin(), static_cast<long>(random() % map.size()));
  };
  for (int step = 0; step < 1500; ++step) {
    switch (random() % 8) {
      case 0:
      case 1:
      case 2: {
        const std::string path = "/" + std::to_string(step) + std::string(random() % 100, 'p');
        const auto text =
            text_of(static_cast<std::uint64_t>(step), random() % (random() % 10 == 0 ? 200'000 : 3000));
        auto buffer = arena.allocate(Key::entry(path), text.size());
        if (!buffer) break;
        if (!text.empty()) std::memcpy(buffer->data(), text.data(), text.size());
        if (random() % 5 == 0) {
          filling.push_back(std::move(*buffer));
        } else {
          const Tag tag = tag_of(buffer->span());
          sealed.emplace(path, arena.seal(std::move(*buffer), tag));
          texts.emplace(path, text);
        }
        break;
      }
      case 3:
      case 4:
        if (sealed.empty()) break;
        {
          const auto gone = pick(sealed);
          const auto block = *arena.block_of(gone->second);
          if (leases.contains(block) && leases[block] > 0) break;  // its text would still be found
          texts.erase(gone->first);
          sealed.erase(gone);
        }
        break;
      case 5:
        if (!filling.empty()) filling.pop_back();
        break;
      case 6:
        if (sealed.empty()) break;
        {
          const auto block = *arena.block_of(pick(sealed)->second);
          arena.lease(block, 3);
          ++leases[block];
        }
        break;
      case 7:
        if (leases.empty()) break;
        {
          const auto lease = pick(leases);
          CHECK(arena.release(lease->first) == (lease->second > 0));
          if (--lease->second <= 0) leases.erase(lease);
        }
        break;
    }
    CHECK(walk(segment) == arena.used());
    CHECK(arena.used() <= arena.budget());
    if (step % 10 == 0) CHECK(scan_copy(segment, copy) == texts);
  }
  CHECK(scan_copy(segment, copy) == texts);
  sealed.clear();
  filling.clear();
  arena.end_leases(4);
  CHECK(arena.used() == 0);
}

TEST_CASE("a rank killed at any instant leaves a whole chain, and nothing that is not whole") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0");
  REQUIRE(segment.commit_arena(arena_bytes));
  const auto text = [](std::uint64_t seed) { return text_of(seed, seed % 5000); };
  for (std::uint64_t round = 0; round < 40; ++round) {
    std::memset(segment.arena().data(), 0, segment::data_offset(0));  // no chain yet
    const auto working = ::fork();
    REQUIRE(working >= 0);
    if (working == 0) {
      Arena arena(segment);
      std::mt19937_64 random(round);
      const auto fill = [&](std::string path, std::uint64_t seed) {
        const auto bytes = text(seed);
        auto buffer = arena.allocate(Key::entry(path), bytes.size());
        if (!buffer) return Bytes();
        if (!bytes.empty()) std::memcpy(buffer->data(), bytes.data(), bytes.size());
        const Tag tag = tag_of(buffer->span());
        return arena.seal(std::move(*buffer), tag);
      };
      const auto anchor = fill("/1234", 1234);
      segment.header().service_sleeping = 1;  // at work
      std::vector<Bytes> kept(60);
      for (;;) {
        const auto seed = random();
        kept[seed % kept.size()] = Bytes();
        kept[seed % kept.size()] = fill("/" + std::to_string(seed), seed);
      }
    }
    while (segment.header().service_sleeping == 0) std::this_thread::yield();
    segment.header().service_sleeping = 0;
    std::this_thread::sleep_for(std::chrono::microseconds(100 + round * 97 % 1500));
    ::kill(working, SIGKILL);
    ::waitpid(working, nullptr, 0);

    Arena arena(segment);
    std::vector<Bytes> kept;
    bool anchored = false;
    arena.scan([&](const Key& key, const Bytes& bytes, Tag) {
      const auto seed = std::stoull(key.path.str().substr(1));
      CHECK(bytes.text() == text(seed));
      anchored |= seed == 1234;
      kept.push_back(bytes);
    });
    CHECK(anchored);
    CHECK(walk(segment) == arena.used());
    kept.clear();
    CHECK(arena.used() == 0);
  }
}

TEST_CASE("a scan frees what is unfinished, damaged or of no key, and gives what is whole") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0");
  auto copy = make_segment(scratch, "copy");
  Arena arena(segment);
  const Key key = Key::file_block("/lib.so", 3, {.inode = 1, .size = 9 << 20, .mtime_ns = 2, .ctime_ns = 3});
  const auto whole = put(arena, key, "whole");
  const auto keyless = arena.copy("a control answer");
  const auto unfinished = arena.allocate(Key::entry("/unfinished"), 10);
  const auto damaged = put(arena, Key::entry("/damaged"), "damaged");
  const_cast<std::byte&>(damaged.span()[3]) ^= std::byte{1};
  const auto foreign = put(arena, Key::entry("/foreign"), "foreign");
  reinterpret_cast<segment::BlockHeader*>(segment.arena().data() + *arena.block_of(foreign))->key_kind = 77;
  const auto long_path = put(arena, Key::entry("/long"), "long");
  reinterpret_cast<segment::BlockHeader*>(segment.arena().data() + *arena.block_of(long_path))->path_bytes =
      65000;

  REQUIRE(copy.commit_arena(segment.header().arena_bytes_committed.load()));
  std::memcpy(copy.arena().data(), segment.arena().data(), segment.header().arena_bytes_committed.load());
  Arena again(copy);
  std::vector<Bytes> kept;
  again.scan([&](const Key& found, const Bytes& bytes, Tag) {
    CHECK(found == key);
    CHECK(bytes.text() == "whole");
    kept.push_back(bytes);
  });
  CHECK(kept.size() == 1);
  CHECK(again.used() == 192);
  kept.clear();
  CHECK(again.used() == 0);
  CHECK(walk(copy) == 0);
}

TEST_CASE("a flipped bit in a block is found by the scan, counted, and served to nobody") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0");
  auto copy = make_segment(scratch, "copy");
  const Key key = Key::file_block("/lib.so", 3, {.inode = 1, .size = 9 << 20, .mtime_ns = 2, .ctime_ns = 3});
  std::map<Key, std::string> texts{
      {Key::entry("/before"), "before"}, {key, text_of(1, 100)}, {Key::entry("/after"), "after"}};
  Arena arena(segment);
  std::vector<Bytes> kept;
  std::vector<std::uint64_t> blocks;
  for (const auto& each : {Key::entry("/before"), key, Key::entry("/after")}) {
    kept.push_back(put(arena, each, texts.at(each)));
    blocks.push_back(*arena.block_of(kept.back()));
  }
  const auto committed = segment.header().arena_bytes_committed.load();
  REQUIRE(copy.commit_arena(committed));
  const auto end = blocks[2] + 256;  // what is beyond is free
  for (std::uint64_t bit = blocks[1] * 8; bit < blocks[2] * 8; ++bit) {
    std::memcpy(copy.arena().data(), segment.arena().data(), end);
    copy.arena()[bit / 8] ^= std::byte{1} << bit % 8;
    Arena again(copy);
    std::map<Key, std::string> found;
    std::vector<Bytes> held;
    const auto damaged = again.scan([&](const Key& k, const Bytes& bytes, Tag) {
      found.emplace(k, bytes.text());
      held.push_back(bytes);
    });
    for (const auto& [k, text] : found) CHECK(texts.at(k) == text);
    const auto within = bit / 8 - blocks[1];
    const bool is_described = within >= offsetof(segment::BlockHeader, description_tag) &&
                              within < sizeof(segment::BlockHeader) + key.path.size();
    const bool is_data = within >= segment::data_offset(key.path.size()) &&
                         within < segment::data_offset(key.path.size()) + 100;
    if (is_described || is_data) {
      CHECK(damaged == 1);
      CHECK(found.size() == 2);
    }
    held.clear();
    again.end_leases(1);
    CHECK(again.used() == 0);
    walk(copy);
  }
}

TEST_CASE(
    "what lies behind a damaged link of the chain stays as it is while a worker may have leases there") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0");
  segment.header().worker_generation = 7;
  std::vector<std::uint64_t> blocks;
  {
    Arena arena(segment);
    std::vector<Bytes> kept;
    for (int i = 0; i < 10; ++i) {
      kept.push_back(put(arena, Key::entry("/" + std::to_string(i)), text_of(1, 1000)));
      blocks.push_back(*arena.block_of(kept.back()));
      arena.lease(blocks.back(), 7);
    }
  }
  auto& damaged = *reinterpret_cast<segment::BlockHeader*>(segment.arena().data() + blocks[5]);
  SECTION("another magic") { damaged.magic = 5; }
  SECTION("a span into the middle of another") { damaged.span += 64; }
  SECTION("a span over several") { damaged.span += 2 * damaged.span.load(); }
  SECTION("a state that there is not") { damaged.state = 9; }
  for (int round = 0; round < 2; ++round) {  // also once more
    Arena again(segment);
    std::vector<Bytes> found;
    const auto count = again.scan([&](const Key&, const Bytes& bytes, Tag) { found.push_back(bytes); });
    CHECK(count == (round == 0 ? 1 : 0));
    CHECK((found.size() == 4 || found.size() == 5));
    std::vector<Buffer> filled;
    while (auto buffer = again.allocate(Key::entry("/x"), 900)) {
      std::memset(buffer->data(), 'x', buffer->size());
      filled.push_back(std::move(*buffer));
    }
    for (std::size_t i = 6; i < blocks.size(); ++i) {
      const auto* data = segment.arena().data() + blocks[i] + segment::data_offset(2);
      CHECK(std::memcmp(data, text_of(1, 1000).data(), 1000) == 0);
    }
    again.release(blocks[5]);  // perhaps it can be told apart no longer
    found.clear();
    filled.clear();
    CHECK(again.used() > 0);
    if (round == 1) again.end_leases(8);
    CHECK((again.used() == 0) == (round == 1));
    walk(segment);
  }
}

TEST_CASE("leases that no living worker has end, those of the future as well") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0");
  Arena arena(segment);
  auto bytes = put(arena, Key::entry("/a"), "hello");
  arena.lease(*arena.block_of(bytes), 9);
  bytes = Bytes();
  arena.end_leases(9);
  CHECK(arena.used() > 0);
  arena.end_leases(3);
  CHECK(arena.used() == 0);
}

TEST_CASE("a leased block of no key stays for its reader over a restart") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0");
  std::uint64_t block = 0;
  {
    Arena arena(segment);
    auto bytes = arena.copy("a control answer");
    block = *arena.block_of(*bytes);
    arena.lease(block, 1);
  }
  Arena again(segment);
  again.scan([](const Key&, const Bytes&, Tag) { FAIL("there is no block of a key"); });
  CHECK(again.used() > 0);
  CHECK(again.release(block));
  CHECK(again.used() == 0);
}

TEST_CASE("whatever is written over a chain, what the arena makes of it is whole") {
  const Scratch scratch;
  auto segment = make_segment(scratch, "node0");
  auto copy = make_segment(scratch, "copy");
  Arena arena(segment);
  std::vector<Bytes> kept;
  for (int i = 0; i < 50; ++i)
    kept.push_back(put(arena, Key::entry("/" + std::to_string(i)), text_of(1, 100)));
  const auto committed = segment.header().arena_bytes_committed.load();
  REQUIRE(copy.commit_arena(committed));
  std::mt19937_64 random(5);
  for (int round = 0; round < 300; ++round) {
    std::memcpy(copy.arena().data(), segment.arena().data(), committed);
    for (int i = 0; i < 20; ++i) {
      copy.arena()[random() % (50 * 300)] = static_cast<std::byte>(random());
    }
    Arena again(copy);
    std::vector<Bytes> found;
    again.scan([&](const Key&, const Bytes& bytes, Tag) { found.push_back(bytes); });
    CHECK(again.used() <= again.committed());
    walk(copy);
  }
}

}  // namespace copper
