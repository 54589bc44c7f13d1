// The bytes of listings and entries: there and back, and damaged.
#include "service/storage/listing.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <random>
#include <set>

#include "tree/limits.h"

namespace copper {
namespace {

Attributes attributes_of(std::uint64_t seed) {
  return {.ino = seed,
          .size = seed * 3,
          .mtime_ns = static_cast<std::int64_t>(seed) * 5,
          .ctime_ns = static_cast<std::int64_t>(seed) * 7,
          .blocks = seed + 1,
          .mode = S_IFREG | 0644,
          .nlink = 2,
          .uid = 1000,
          .gid = 100,
          .rdev = 0,
          .blksize = 4096};
}

Sweep sweep_of(std::size_t names, bool with_entries) {
  Sweep sweep{.directory = attributes_of(99), .racy = false, .items = {}};
  for (std::size_t i = 0; i < names; ++i) {
    Sweep::Item item{.name = "name-" + std::to_string(i), .type = S_IFREG, .ino = i + 1, .entry = {}};
    if (with_entries) {
      item.entry = Entry{attributes_of(i + 1), {}, i % 7 == 0};
      if (i % 5 == 0) {
        item.type = S_IFLNK;
        item.entry->target = "../target-" + std::to_string(i);
      }
    }
    sweep.items.push_back(std::move(item));
  }
  return sweep;
}

// Finds every name through block_of and find, and meets each once when reading in cookie order.
void check_round_trip(const Sweep& sweep) {
  const auto blocks = encode_listing(sweep);
  REQUIRE(!blocks.empty());
  std::vector<ListingView> views;
  for (const auto& block : blocks) {
    REQUIRE(block.size() <= limits::block_bytes);
    const auto view = ListingView::of(block);
    REQUIRE(view);
    REQUIRE(view->number() == views.size());
    REQUIRE(view->blocks() == blocks.size());
    REQUIRE(view->names_total() == sweep.items.size());
    REQUIRE(view->directory() == sweep.directory);
    REQUIRE(view->racy() == sweep.racy);
    if (!views.empty()) REQUIRE(view->edition() == views[0].edition());
    views.push_back(*view);
  }
  for (const auto& item : sweep.items) {
    const auto block = views[0].block_of(cookie_hash(item.name));
    REQUIRE(block < views.size());
    const auto found = views[block].find(item.name);
    REQUIRE(found);
    REQUIRE(found->name == item.name);
    REQUIRE(found->type == item.type);
    REQUIRE(found->ino == item.ino);
    REQUIRE(found->entry.has_value() == item.entry.has_value());
    if (item.entry) {
      REQUIRE(found->entry->attributes == item.entry->attributes);
      REQUIRE(found->entry->target == item.entry->target);
      REQUIRE(found->entry->racy == item.entry->racy);
    }
    REQUIRE(!views[block].find(item.name + "x"));
  }
  std::set<std::string> met;
  std::uint64_t last = 2;
  for (const auto& view : views) {
    for (std::size_t i = 0; i < view.size(); ++i) {
      const auto name = view.at(i);
      REQUIRE(name);
      REQUIRE(name->cookie > last);
      REQUIRE(name->cookie < std::uint64_t{1} << 63);
      REQUIRE(view.lower_bound(name->cookie) == i);
      REQUIRE(views[0].block_of(name->cookie) == view.number());
      last = name->cookie;
      met.emplace(name->name);
    }
  }
  REQUIRE(met.size() == sweep.items.size());
}

}  // namespace

TEST_CASE("an entry comes back as it went in") {
  for (const auto& entry : {Entry{attributes_of(7), "", false}, Entry{attributes_of(8), "/a/target", true},
                            Entry{attributes_of(9), std::string(limits::path_bytes, 'x'), false}}) {
    const auto back = decode_entry(encode_entry(entry));
    REQUIRE(back);
    CHECK(back->attributes == entry.attributes);
    CHECK(back->target == entry.target);
    CHECK(back->racy == entry.racy);
  }
  auto bytes = encode_entry({attributes_of(7), "target", false});
  bytes.pop_back();
  CHECK(!decode_entry(bytes));
  CHECK(!decode_entry({}));
}

TEST_CASE("a statvfs answer comes back as it went in") {
  struct statvfs st {};
  st.f_bsize = 4096;
  st.f_blocks = 1'000'000'007;
  st.f_namemax = 255;
  st.f_flag = 4097;
  const auto back = decode_filesystem(encode_filesystem(st));
  REQUIRE(back);
  CHECK(std::memcmp(&*back, &st, sizeof st) == 0);
  CHECK(!decode_filesystem(encode_entry({})));
}

TEST_CASE("a listing of any size from 0 to 300 names comes back as it went in") {
  for (std::size_t n = 0; n <= 300; ++n) check_round_trip(sweep_of(n, true));
}

TEST_CASE("a listing of 50,000 names takes several blocks and loses none") {
  const auto sweep = sweep_of(50'000, false);
  REQUIRE(encode_listing(sweep).size() > 1);
  check_round_trip(sweep);
}

TEST_CASE("long names and link targets that exceed one block take several") {
  Sweep sweep;
  for (int i = 0; i < 300; ++i) {
    Entry link{attributes_of(3), std::string(limits::path_bytes, 't'), false};
    std::string name = std::to_string(i);
    name.resize(limits::name_bytes, 'n');
    sweep.items.push_back({.name = std::move(name), .type = S_IFLNK, .ino = 3, .entry = std::move(link)});
  }
  REQUIRE(encode_listing(sweep).size() == 2);
  check_round_trip(sweep);
}

TEST_CASE(
    "equal sweeps have equal bytes in whatever order the names came, other sweeps have another edition") {
  auto sweep = sweep_of(100, true);
  const auto blocks = encode_listing(sweep);
  std::shuffle(sweep.items.begin(), sweep.items.end(), std::mt19937(7));
  CHECK(encode_listing(sweep) == blocks);
  sweep.items[50].entry->attributes.size += 1;
  CHECK(ListingView::of(encode_listing(sweep)[0])->edition() != ListingView::of(blocks[0])->edition());
}

TEST_CASE("a name keeps its cookie when the directory changes") {
  auto sweep = sweep_of(100, true);
  const auto before = encode_listing(sweep);
  sweep.items.erase(sweep.items.begin(), sweep.items.begin() + 30);
  const auto after = encode_listing(sweep);
  for (const auto& item : sweep.items) {
    CHECK(ListingView::of(before[0])->find(item.name)->cookie ==
          ListingView::of(after[0])->find(item.name)->cookie);
  }
}

TEST_CASE("damaged listings are refused or answered, and never read beyond their bytes") {
  const auto original = encode_listing(sweep_of(40, true))[0];
  const auto look = [](const std::vector<std::byte>& bytes) {
    // An allocation of just these bytes, so that a sanitizer sees what lies beyond.
    const std::vector<std::byte> exact(bytes.begin(), bytes.end());
    const auto view = ListingView::of(exact);
    if (!view) return;
    for (std::size_t i = 0; i <= std::min<std::size_t>(view->size(), 1000); ++i) {
      if (const auto name = view->at(i)) CHECK(!name->name.empty());
    }
    view->find("name-3");
    view->lower_bound(~std::uint64_t{0});
    CHECK(view->block_of(std::uint64_t{1} << 62) < view->blocks());
    decode_entry(exact);
  };
  std::mt19937_64 random(20240607);
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = original;
    const auto changes = 1 + random() % 4;
    for (std::uint64_t c = 0; c < changes; ++c) {
      // Half of the damage goes where the structure is.
      const auto range = random() % 2 == 0 ? std::size_t{160} : bytes.size();
      bytes[random() % range] = static_cast<std::byte>(random());
    }
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    look(bytes);
  }
  for (std::size_t size = 0; size < original.size(); ++size) {
    look({original.begin(), original.begin() + static_cast<std::ptrdiff_t>(size)});
  }
}

}  // namespace copper
