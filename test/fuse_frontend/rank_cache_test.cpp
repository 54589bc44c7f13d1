// A rank's arena, index and store, and a front end that looks into them, in one process.
#include "fuse_frontend/rank/rank_cache.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "service/arena.h"
#include "service/segment_index.h"
#include "test/service/scratch.h"
#include "tree/node/store.h"

namespace copper {
namespace {

using namespace std::chrono_literals;

constexpr Instant now{10s};
const Key library = Key::file_block("/lus/x.so", 3, {1, 5 << 20, 3, 4});

struct Cache {
  Cache() : segment(Segment::own({.stem = scratch.path() / "node0", .arena_bytes = 1 << 20}, 1s)) {}
  explicit Cache(const SegmentOptions& options) : segment(Segment::own(options, 1s)) {}

  Scratch scratch;
  Segment segment;
  SegmentIndex index{segment};
  Arena arena{segment};
  Store store{1 << 20, &index};
  RankCache cache{segment};

  void keep(const Key& key, std::string_view text, Instant fresh_until = Instant::max()) {
    auto buffer = arena.allocate(key, text.size());
    REQUIRE(buffer);
    std::memcpy(buffer->data(), text.data(), text.size());
    const auto tag = tag_of(buffer->span());
    store.keep(key, {.outcome = {arena.seal(std::move(*buffer), tag), tag, fresh_until}, .askers = {}});
  }
  std::optional<Answered> find(const Key& key, Tag have = 0, std::size_t bytes_max = 1 << 20) const {
    return cache.find(key, have, now, bytes_max);
  }
  segment::BlockHeader& header() {  // of the first block
    return *reinterpret_cast<segment::BlockHeader*>(segment.arena().data());
  }
};

std::string text(const Answered& found) { return std::string(found.value->text()); }

}  // namespace

TEST_CASE("what is ready is found, with its tag and its freshness") {
  Cache rank;
  rank.keep(library, "code", now + 1s);
  const auto found = rank.find(library);
  REQUIRE(found);
  CHECK(text(*found) == "code");
  CHECK(found->tag == tag_of(Bytes::copy_of("code").span()));
  CHECK(found->fresh_until == now + 1s);
  CHECK(!found->unchanged);
}

TEST_CASE("who has the bytes already is told so and given none") {
  Cache rank;
  rank.keep(library, "code");
  const auto found = rank.find(library, tag_of(Bytes::copy_of("code").span()), 0);
  REQUIRE(found);
  CHECK(found->unchanged);
  CHECK(found->value->size() == 0);
}

TEST_CASE("what is stale, longer than wanted, or another key is to be asked for") {
  Cache rank;
  rank.keep(library, "code", now);
  CHECK(!rank.find(library));
  rank.store.set_fresh_until(library, now + 1s);
  CHECK(rank.find(library));
  CHECK(!rank.find(library, 0, 3));
  CHECK(!rank.find(Key::file_block("/lus/x.so", 2, library.version)));
  CHECK(!rank.find(Key::file_block("/lus/x.so", 3, {1, 5 << 20, 3, 5})));
  CHECK(!rank.find(Key::listing("/lus/x.so")));
  rank.store.set_fresh_until(library, now);
  CHECK(!rank.find(library));
}

TEST_CASE("what the store drops, or asks for anew, is found no longer") {
  Cache rank;
  rank.keep(library, "code");
  rank.store.begin(library, now);
  CHECK(!rank.find(library));
  rank.store.end(library);
  rank.keep(library, "other");
  CHECK(text(*rank.find(library)) == "other");
  rank.store.forget(library);
  CHECK(!rank.find(library));
}

TEST_CASE("errors, and bytes that lie elsewhere, are not in shared memory") {
  Cache rank;
  rank.store.keep(library, {.outcome = {Errno{ENOENT}, 0, Instant::max()}, .askers = {}});
  CHECK(!rank.find(library));
  rank.store.forget(library);
  rank.store.keep(library, {.outcome = {Bytes::copy_of("code"), 1, Instant::max()}, .askers = {}});
  CHECK(!rank.find(library));
}

TEST_CASE("a successor is given what was shown, as fresh as it was, and shows the rest no more") {
  const Scratch scratch;
  const SegmentOptions options{.stem = scratch.path() / "node0", .arena_bytes = 1 << 20};
  const auto other = Key::file_block("/lus/y.so", 0, library.version);
  const auto third = Key::file_block("/lus/z.so", 0, library.version);
  if (const auto former = ::fork(); former == 0) {
    Cache rank(options);
    rank.keep(library, "code", now + 1s);
    rank.keep(other, "old");
    rank.keep(third, "rest", now + 1s);
    rank.store.suspect(other);
    ::_exit(0);  // as one that is killed: nothing is let go
  } else {
    int status = 1;
    REQUIRE(::waitpid(former, &status, 0) == former);
    REQUIRE(status == 0);
  }
  auto segment = Segment::own(options, 1s);
  { const SegmentIndex killed(segment); }  // as one that is killed before it has adopted anything
  SegmentIndex index(segment);
  const RankCache cache(segment);
  CHECK(text(*cache.find(library, 0, now, 100)) == "code");
  Arena arena(segment);
  Store store(1 << 20, &index);
  std::size_t found = 0;
  arena.scan([&](const Key& key, Bytes bytes, Tag tag) {
    ++found;
    auto outcome = index.former(key, std::move(bytes), tag);
    CHECK(outcome.has_value() == (key != other));
    if (key != library) return;
    CHECK(outcome->value->text() == "code");
    CHECK(outcome->fresh_until == now + 1s);
    store.keep(key, {.outcome = std::move(*outcome), .askers = {}});
  });
  CHECK(found == 3);
  CHECK(cache.find(third, 0, now, 100));
  index.end_former();
  CHECK(cache.find(library, 0, now, 100));
  CHECK(!cache.find(other, 0, now, 100));
  CHECK(!cache.find(third, 0, now, 100));
}

TEST_CASE("bytes that are not those of their checksum are an error, and counted") {
  Cache rank;
  rank.keep(library, "code");
  const auto code = std::ranges::search(rank.segment.arena(), std::as_bytes(std::span("code", 4)));
  REQUIRE(!code.empty());
  code.front() ^= std::byte{1};
  const auto found = rank.find(library);
  REQUIRE(found);
  CHECK(!found->value.ok());
  const auto& counters = rank.segment.header().fuse_counters;
  CHECK(counters[static_cast<std::size_t>(segment::FuseCounter::fuse_damaged)] == 1);
  code.front() ^= std::byte{1};
  CHECK(rank.find(library)->value.ok());
}

TEST_CASE("a damaged header is nothing that was found") {
  Cache rank;
  rank.keep(library, "code");
  auto& header = rank.header();
  REQUIRE(rank.find(library));
  const auto unfound = [&](auto& field, auto value) {
    using Field = std::remove_reference_t<decltype(field)>;
    const auto before = static_cast<decltype(value)>(field);
    field = static_cast<Field>(value);
    const bool found = rank.find(library).has_value();
    field = static_cast<Field>(before);
    return !found;
  };
  CHECK(unfound(header.magic, std::uint32_t{0}));
  CHECK(unfound(header.tag, std::uint64_t{1}));
  CHECK(unfound(header.bytes, ~std::uint64_t{0}));
  CHECK(unfound(header.path_bytes, std::uint16_t{0}));
  CHECK(unfound(header.path_bytes, std::uint16_t{65535}));
  CHECK(unfound(header.number, std::uint32_t{2}));
  CHECK(unfound(header.key_kind, std::uint8_t{9}));
  const auto span = header.span.load();
  header.span = 64;
  CHECK(!rank.find(library));
  header.span = ~std::uint64_t{0};  // up to the end of what is committed, at most
  CHECK(rank.find(library));
  header.span = span;
  for (const std::uint64_t offset :
       {std::uint64_t{1}, std::uint64_t{64}, std::uint64_t{1} << 20, ~std::uint64_t{63}}) {
    rank.segment.index().insert(KeyHash{}(library), offset, 1'000'000'000'000);
    CHECK(!rank.find(library));
  }
}

}  // namespace copper
