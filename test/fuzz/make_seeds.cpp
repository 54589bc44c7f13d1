// Writes what fuzzing starts from, made by the real encoders: make_seeds corpus. To be run again when a
// layout changes.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "service/segment/layout.h"
#include "service/storage/listing.h"
#include "test/fuzz/sealed_message.h"

namespace copper {
namespace {

using segment::CompletionKind;
using segment::CompletionRecord;
using segment::PostKind;
using segment::PostRecord;

using Seed = std::vector<std::byte>;

Seed& operator+=(Seed& seed, std::span<const std::byte> more) {
  seed.insert(seed.end(), more.begin(), more.end());
  return seed;
}
Seed& operator+=(Seed& seed, std::string_view text) { return seed += std::as_bytes(std::span(text)); }
template <class T>
requires std::is_integral_v<T> || std::is_same_v<T, CompletionRecord> Seed& operator+=(Seed& seed,
                                                                                       const T& value) {
  return seed += std::as_bytes(std::span(&value, 1));
}
std::uint8_t byte(int value) { return static_cast<std::uint8_t>(value); }

class Corpus {
 public:
  explicit Corpus(std::filesystem::path directory) : directory_(std::move(directory)) {}
  void add(const std::string& target, const std::string& name, const Seed& seed) const {
    std::filesystem::create_directories(directory_ / target);
    std::ofstream file(directory_ / target / name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(seed.data()), static_cast<std::streamsize>(seed.size()));
    if (!file.flush()) throw std::runtime_error("cannot write " + (directory_ / target / name).native());
  }

 private:
  std::filesystem::path directory_;
};

const Version version{.inode = 7, .size = 3 << 20, .mtime_ns = 1, .ctime_ns = 2};
const Key block = Key::file_block("/lib/a.so", 1, version);

std::vector<std::pair<std::string, Message>> messages() {
  using namespace std::chrono_literals;
  const auto text = Bytes::copy_of("some bytes");
  const auto large = Bytes::copy_of(std::string(40'000, 'x'));
  return {{"ask", Ask{block, 5, Shape::bulk, 7}},
          {"ask_listing", Ask{Key::listing("/lib"), 0}},
          {"answer", Answer{Key::entry("/lib/a.so"), false, text, tag_of(text.span()), 2s}},
          {"answer_error", Answer{Key::entry("/lib/b.so"), false, Errno{ENOENT}, 0, 2s}},
          {"answer_unchanged", Answer{Key::listing("/lib"), true, Errno{EIO}, 12, 2s}},
          {"answer_segments", Answer{block, false, large, tag_of(large.span()), for_the_job}},
          {"publish", Publish{Key::entry("/lib/a.so"), 1, Published::bytes, text, tag_of(text.span()), 2s}},
          {"publish_offered", Publish{block, 2, Published::offered, Errno{EIO}, 12, for_the_job}},
          {"publish_segments",
           Publish{Key::listing("/lib"), 3, Published::bytes, large, tag_of(large.span()), 2s}},
          {"expire", Expire{block}},
          {"ready", ReadyRanks{{Rank{5}, Rank{6}}}},
          {"count", Count{{Rank{3}, 1}}},
          {"counted", Counted{{Rank{3}, 1}, 4, {}}},
          {"clear", Clear{{Rank{3}, 1}, first_tree, "/lib"}},
          {"cleared", Cleared{{Rank{3}, 1}, first_tree, 2, Rank{4}}},
          {"ping", Ping{}}};
}

Seed encoded(const Message& message) {
  Seed whole;
  encode(message, payload_of(message).size > limits::inline_bytes ? 1 : 0, whole);
  const auto rest = unsealed(whole);
  return {rest.begin(), rest.end()};
}

void streams(const Corpus& corpus) {
  const auto step = [](Seed& seed, int what, int who, std::span<const std::byte> body) {
    seed += byte(what);
    seed += byte(who);
    seed += static_cast<std::uint16_t>(body.size());
    seed += body;
  };
  const auto path = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  for (const int tree : {0, 128}) {
    for (const int self : {0, 1, 5}) {
      // A client asks for each kind, then each message comes from each neighbour, its segments, and time
      // passes.
      Seed seed;
      seed += byte(self);
      for (int kind = 0; kind < 4; ++kind)
        step(seed, 3 + 5 * kind, kind, path(kind == 1 ? "/lib/a.so" : "/lib"));
      for (const auto& [name, message] : messages()) {
        for (const int from : {0, 2}) step(seed, tree == 0 ? 0 : 130, from, encoded(message));
        for (int n = 0; n < 3; ++n) step(seed, 2, 0, {});
      }
      step(seed, 4, 12, {});
      step(seed, 183, 2, path("/lib"));
      step(seed, 4, 15, {});
      corpus.add("stream", "rank" + std::to_string(self) + "_tree" + std::to_string(tree / 128), seed);
    }
  }
}

void payloads(const Corpus& corpus) {
  const Entry entry{{.ino = 1, .size = 5, .mode = 0120777}, "../b.so", false};
  Seed seed{std::byte{1}};
  seed += std::span<const std::byte>(encode_entry(entry));
  corpus.add("payload", "entry", seed);
  seed = {std::byte{2}};
  seed += std::span<const std::byte>(encode_filesystem({}));
  corpus.add("payload", "filesystem", seed);
  Sweep sweep{.directory = {.ino = 9, .mode = 040755}, .items = {}};
  corpus.add("payload", "listing_empty",
             (seed = {std::byte{0}}) += std::span<const std::byte>(encode_listing(sweep)[0]));
  for (const auto* name : {"a.so", "b.so", "lib.so"}) sweep.items.push_back({name, 0100000, 3, entry});
  sweep.items.push_back({"bare", 040000, 4, {}});
  corpus.add("payload", "listing",
             (seed = {std::byte{0}}) += std::span<const std::byte>(encode_listing(sweep)[0]));
  seed = {std::byte{3}};
  for (const auto* name : {"a.so", "b.so", "x", "x"}) {
    seed += byte(static_cast<int>(std::string_view(name).size()));
    seed += std::string_view(name);
  }
  corpus.add("payload", "names", seed);
}

void posts(const Corpus& corpus) {
  const auto post = [](Seed& seed, const PostRecord& record, std::string_view path) {
    seed += byte(0);
    seed += std::as_bytes(std::span(&record, 1)).first(offsetof(PostRecord, path));
    seed += path;
  };
  const auto record = [](PostKind kind, std::uint64_t client, Kind key = Kind::entry, std::size_t path = 0) {
    PostRecord made{};
    made.kind = kind;
    made.client = client;
    made.key_kind = static_cast<std::uint8_t>(key);
    made.path_bytes = static_cast<std::uint16_t>(path);
    return made;
  };
  Seed seed;
  post(seed, record(PostKind::ask, 1, Kind::entry, 9), "/lib/a.so");
  seed += byte(3);
  seed += byte(2);
  seed += std::string_view("0123456789abcdef");
  seed += byte(7);
  post(seed, record(PostKind::release, 0), "");
  corpus.add("posts", "ask_reply_release", seed);
  seed = {};
  post(seed, record(PostKind::ask, 1, Kind::listing, 4), "/lib");
  post(seed, record(PostKind::cancel, 1), "");
  seed += byte(5);
  post(seed, record(PostKind::mounted, 0), "");
  corpus.add("posts", "cancel_new_worker", seed);
  seed = {};
  auto control = record(PostKind::control, 2, Kind::entry, 4);
  control.number = 3;
  post(seed, control, "/lib");
  seed += byte(3);
  seed += byte(1);
  seed += std::string_view("{\"a\":1}.");
  seed += byte(4 + 8);
  seed += byte(7);
  post(seed, record(PostKind::cleared, 12), "");
  seed += byte(4 + 128);
  corpus.add("posts", "control_clear_notice", seed);
  seed = {};
  post(seed, record(PostKind::ask, 1, Kind::block, 7), "/../a.s");
  post(seed, record(PostKind::ask, 1, Kind::listing, 5000), std::string(4096, '/'));
  seed += byte(6 + 128);
  seed += std::uint64_t{300};
  corpus.add("posts", "bad_paths_bad_index", seed);
}

void completions(const Corpus& corpus) {
  const auto complete = [](Seed& seed, int what, const CompletionRecord& record) {
    seed += byte(what);
    seed += record;
  };
  const auto answer_block = [](Seed& seed, std::string_view data) {
    seed += byte(3);
    seed += std::uint16_t{0};
    std::array<std::byte, 128> header{};
    const std::uint64_t span = 192;
    std::memcpy(header.data() + offsetof(segment::BlockHeader, span), &span, sizeof span);
    seed += byte(static_cast<int>(header.size() + data.size()));
    seed += std::span<const std::byte>(header);
    seed += data;
  };
  CompletionRecord record{};
  record.kind = CompletionKind::outcome;
  record.bytes = 10;
  Seed seed;
  seed += byte(0);
  answer_block(seed, "0123456789");
  complete(seed, 1, record);
  seed += byte(7);
  corpus.add("completions", "answered", seed);
  seed = {};
  seed += byte(0);
  seed += byte(72);
  record.error = ENOENT;
  complete(seed, 1, record);
  record.error = -5;
  record.client = 1;
  complete(seed, 1, record);
  corpus.add("completions", "errors", seed);
  for (const auto kind : {CompletionKind::notice, CompletionKind::clear}) {
    seed = {};
    record = {};
    record.kind = kind;
    record.key_kind = 2;
    record.bytes = 9;
    record.client = 5;
    answer_block(seed, "/lib/a.so");
    complete(seed, 1, record);
    complete(seed, 130, record);
    corpus.add("completions", kind == CompletionKind::clear ? "clear" : "notice", seed);
  }
  seed = {};
  seed += byte(0);
  record = {};
  record.kind = CompletionKind::outcome;
  record.bytes = std::uint64_t{1} << 40;
  complete(seed, 130, record);
  seed += byte(4 + 8);
  seed += std::uint64_t{2000};
  seed += byte(5 + 240);
  seed += byte(6 + 192);
  seed += ~std::uint64_t{0};
  corpus.add("completions", "too_long_then_another_rank", seed);
}

void block_of(Seed& seed, int wrong, std::string_view path, std::string_view data, int kind = 2) {
  seed += byte(wrong);
  seed += byte(static_cast<int>(path.size()));
  seed += static_cast<std::uint16_t>(data.size());
  seed += byte(kind);
  seed += path;
  seed += data;
}

void arenas(const Corpus& corpus) {
  for (const int wrong : {0, 1, 2, 4, 8, 16, 32, 64}) {
    Seed seed;
    seed += byte(1);
    seed += byte(3);
    block_of(seed, 0, "/lib/a.so", "0123456789");
    block_of(seed, wrong & ~(4 | 8 | 16 | 64 | 1), "/lib/b.so", std::string(300, 'x'), 3);
    seed += byte(wrong);
    seed += byte(4);
    seed += std::uint16_t{10};
    if (wrong == 8) seed += std::uint32_t{0};
    if (wrong == 4) seed += std::uint64_t{1024};
    if (wrong == 16) seed += std::uint32_t{2};
    if (wrong == 16) seed += byte(1);
    seed += byte(1);
    seed += std::string_view("/lib0123456789");
    if (wrong == 1) seed += std::uint64_t{5};
    if (wrong == 64) seed += std::uint64_t{1} << 62;
    if (wrong == 64) seed += std::uint16_t{4};
    for (const int what : {3, 0, 3, 1, 2}) {
      seed += byte(what);
      seed += std::uint16_t{500};
    }
    corpus.add("arena", "wrong" + std::to_string(wrong), seed);
  }
}

// Two blocks that the rank shows, found, then asked for under the other's place; the slot written over, the
// bytes, what is committed.
void indices(const Corpus& corpus) {
  const auto begin = [] {
    Seed seed;
    seed += byte(2);
    block_of(seed, 0, "/lib/a.so", "0123456789");
    block_of(seed, 0, "/lib/b.so", std::string(300, 'x'), 3);
    return seed;
  };
  const auto step = [](Seed& seed, int what, int which, std::initializer_list<int> bytes) {
    seed += byte(what + 8 * which);
    for (const auto value : bytes) seed += byte(value);
  };
  // These fields of a slot of the key's bucket, under its hash; then a look. 16 steps make a step 128 more,
  // and there are 3 keys.
  const auto slot = [&step](Seed& seed, int which, int fields, std::initializer_list<std::uint64_t> values) {
    step(seed, 128 + 2, 2 + which, {128, fields});
    for (const auto value : values) seed += value;
    step(seed, 5, which, {65});
  };
  auto seed = begin();
  for (const int which : {0, 1}) {
    step(seed, 0, which, {which, 200});
    step(seed, 5, which, {5, 100});
    step(seed, 6, which, {65});
    step(seed, 7, which, {68});
    step(seed, 7, which, {201});
  }
  step(seed, 1, 0, {});
  step(seed, 5, 0, {65});
  step(seed, 5, 2, {65});
  corpus.add("index", "shown_found_erased", seed);
  seed = begin();
  step(seed, 0, 0, {1, 200});
  step(seed, 0, 1, {0, 200});
  for (const int which : {0, 1}) step(seed, 5, which, {65});
  corpus.add("index", "another_keys_block", seed);
  seed = begin();
  slot(seed, 0, 7, {2, 192, 1000});
  slot(seed, 1, 7, {2, 192, 1000});
  for (const auto at : {std::uint64_t{64}, ~std::uint64_t{63}, std::uint64_t{1} << 18})
    slot(seed, 1, 2, {at});
  corpus.add("index", "slots_written", seed);
  seed = begin();  // the arena ends before the second block, then in it; then it never ends
  step(seed, 4, 0, {});
  seed += std::uint64_t{192};
  slot(seed, 1, 7, {2, 192, 1000});
  step(seed, 4, 0, {});
  seed += std::uint64_t{384};
  step(seed, 5, 1, {65});
  step(seed, 4, 0, {});
  seed += std::uint64_t{1} << 63;
  for (const int bit : {40, 50, 62}) slot(seed, 1, 2, {std::uint64_t{1} << bit});
  corpus.add("index", "beyond_the_arena", seed);
  seed = begin();
  for (const int which : {0, 1}) step(seed, 0, which, {which, 200});
  step(seed, 3, 0, {8, 0, 0, 0, 7});
  seed += ~std::uint64_t{0};  // the first block's span
  step(seed, 5, 0, {65});
  step(seed, 4, 0, {});
  seed += std::uint64_t{256};
  for (const int which : {0, 1}) step(seed, 5, which, {65});
  corpus.add("index", "bytes_written", seed);
  seed = {std::byte{1}};  // a block that says it is longer than it is
  block_of(seed, 64, "/lib/a.so", "0123456789");
  seed += std::uint64_t{1000};
  seed += std::uint16_t{9};
  step(seed, 0, 0, {0, 200});
  step(seed, 5, 0, {65});
  corpus.add("index", "too_long", seed);
}

void segments(const Corpus& corpus) {
  const auto patch = [](Seed& seed, std::size_t offset, std::uint64_t value) {
    seed += static_cast<std::uint16_t>(offset / 4);
    seed += byte(7);
    seed += value;
  };
  const auto arena = offsetof(segment::Header, arena_region);
  for (const auto& [name, how] : {std::pair{"attach", 0}, {"own", 128}}) {
    corpus.add("segment", name, Seed{std::byte{byte(how)}});
    Seed seed{std::byte{byte(how + 16)}};
    patch(seed, offsetof(segment::Header, lanes), 1);
    patch(seed, arena + 8, ~std::uint64_t{4095});
    patch(seed, arena, 1 << 20);
    corpus.add("segment", std::string(name) + "_regions", seed);
    seed = {std::byte{byte(how + 8)}};
    patch(seed, offsetof(segment::Header, arena_bytes_committed), std::uint64_t{1} << 50);
    corpus.add("segment", std::string(name) + "_committed", seed);
    seed = {std::byte{byte(how + 7)}};
    seed += std::uint64_t{1 << 20};
    corpus.add("segment", std::string(name) + "_length", seed);
  }
}

void make(const Corpus& corpus) {
  for (const auto& [name, message] : messages()) corpus.add("message", name, encoded(message));
  streams(corpus);
  payloads(corpus);
  posts(corpus);
  completions(corpus);
  arenas(corpus);
  indices(corpus);
  segments(corpus);
}

}  // namespace
}  // namespace copper

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: make_seeds DIRECTORY\n";
    return 2;
  }
  copper::make(copper::Corpus(argv[1]));
}
