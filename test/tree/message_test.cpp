// The codec: what is said arrives, and nothing else is believed.
#include "tree/message.h"

#include <xxhash.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <string>

#include "tree/limits.h"

namespace copper {
namespace {

using Encoded = std::vector<std::byte>;

// With a stream where segments follow.
Encoded encoded(const Message& message) {
  Encoded bytes;
  encode(message, payload_of(message).size > limits::inline_bytes ? limits::streams : 0, bytes);
  return bytes;
}

Bytes bytes_of(std::size_t size) { return Bytes::copy_of(std::string(size, 'x')); }

// What came, with its payload; one that did not come along is made up.
Message whole(const Header& header) {
  auto message = header.message;
  if (header.payload_bytes == 0) return message;
  const auto payload =
      header.inlined.empty() ? bytes_of(header.payload_bytes) : Bytes::copy_of(header.inlined);
  if (auto* answer = std::get_if<Answer>(&message)) answer->value = payload;
  if (auto* publish = std::get_if<Publish>(&message)) publish->value = payload;
  return message;
}

const Version version{0xfedc'ba98'7654'3210, 1 << 30, -1, 1'700'000'000'123'456'789};
const Key block_key = Key::file_block("/lus/env/lib/x.so", 3, version);

Counters many_counters() {
  Counters counters;
  for (std::size_t i = 0; i < counter_count; ++i) counters.add(Counter{i}, (i + 1) << 40);
  return counters;
}

std::string longest_path() {
  std::string path;
  while (path.size() < limits::path_bytes) path += "/" + std::string(90, 'p');
  path.resize(limits::path_bytes);
  return path;
}

// At least one of each kind and of each shape of a kind.
std::vector<Message> every_message() {
  std::vector<Rank> many(limits::ranks_per_message);
  for (std::uint32_t i = 0; i < many.size(); ++i) many[i] = Rank{i * 1'000'003};
  using namespace std::chrono_literals;
  return {
      Ask{Key::listing("/"), 0},
      Ask{Key::listing_block("/a", 4, 99), 5, Shape::control, 1},
      Ask{Key::entry("/a/b"), ~Tag{0}, Shape::control, ~std::uint64_t{0}},
      Ask{block_key, 1},
      Ask{block_key, 1, Shape::bulk, 7},
      Ask{Key::filesystem("/lus"), 0},
      Answer{block_key, false, Bytes::copy_of("some bytes"), 12, for_the_job},
      Answer{block_key, false, Bytes{}, tag_of({}), 0s},
      Answer{Key::entry("/a"), true, Errno{EIO}, 12, 1999ms},
      Answer{Key::entry("/a"), false, Errno{ENOENT}, 0, 2s},
      Answer{block_key, false, Errno{ESTALE}, 0, 0s},
      Answer{block_key, false, bytes_of(limits::inline_bytes), 12, 2s},
      Answer{block_key, false, bytes_of(limits::inline_bytes + 1), 12, 2s},
      Answer{block_key, false, bytes_of(limits::block_bytes), 12, 2s},
      Publish{Key::listing("/a"), 1, Published::bytes, Bytes::copy_of("names"), 12, 2s},
      Publish{Key::listing("/a"), 1, Published::bytes, Bytes{}, tag_of({}), 2s},
      Publish{Key::listing("/a"), 2, Published::bytes, bytes_of(limits::block_bytes), 12, 2s},
      Publish{block_key, 2, Published::bytes, bytes_of(limits::inline_bytes), 12, for_the_job},
      Publish{Key::entry("/a"), ~std::uint64_t{0}, Published::unchanged, Errno{EIO}, 12, 2s},
      Publish{Key::entry("/a"), 3, Published::error, Errno{ENOENT}, 0, 2s},
      Publish{block_key, 4, Published::offered, Errno{EIO}, 12, for_the_job},
      Ping{false},
      Ping{true},
      Expire{block_key},
      Expire{Key::listing_block("/a", 4, 99)},
      ReadyRanks{{Rank{0}}},
      ReadyRanks{{Rank{5}, Rank{0xffff'ffff}}},
      Count{{Rank{3}, 1}},
      Count{{Rank{3}, 1}, Scope::profile, 7},
      Portion{{Rank{3}, 1}, std::vector<std::byte>(limits::portion_bytes, std::byte{7})},
      Counted{{Rank{3}, 1}, 8300, many_counters()},
      Clear{{Rank{3}, 1}, first_tree, "/"},
      Clear{{Rank{3}, ~std::uint64_t{0}}, Tree{63}, "/lus/env"},
      Cleared{{Rank{3}, 1}, first_tree, 8300},
      Cleared{{Rank{3}, 1}, Tree{63}, 8299, Rank{0}},
      // The longest of their kinds.
      Clear{{Rank{3}, 1}, first_tree, longest_path()},
      Ask{Key::file_block(longest_path(), ~0u, version), 1},
      Answer{Key::file_block(longest_path(), ~0u, version), false, Errno{EIO}, 0, 0s},
      ReadyRanks{many},
  };
}

// The encoding of what came, in its own stream.
Encoded whole_with_stream(const Header& header) {
  Encoded bytes;
  encode(whole(header), header.stream, bytes);
  return bytes;
}

// Makes the checksum right again after damage.
void seal(Encoded& bytes) {
  const auto checksum = std::uint64_t{XXH3_64bits(bytes.data(), bytes.size() - 8)};
  std::memcpy(&bytes[bytes.size() - 8], &checksum, 8);  // tests run on little-endian machines
}

}  // namespace

TEST_CASE("what is encoded decodes to itself") {
  for (const auto& message : every_message()) {
    const auto bytes = encoded(message);
    const auto header = decode(bytes);
    REQUIRE(header);
    const auto payload = payload_of(message);
    const bool inlined = payload.size <= limits::inline_bytes;
    CHECK(bytes.size() <= limits::header_bytes + (inlined ? payload.size : 0));
    CHECK(header->message.index() == message.index());
    CHECK(header->stream == (inlined ? 0 : limits::streams));
    CHECK(header->payload_bytes == payload.size);
    CHECK(header->inlined.size() == (inlined ? payload.size : 0));
    CHECK(std::ranges::equal(header->inlined, std::span(payload.data.get(), inlined ? payload.size : 0)));
    CHECK(payload_of(header->message).size == 0);
    CHECK(encoded(whole(*header)) == bytes);
  }
}

TEST_CASE("a payload that is still arriving has the header of one that is there") {
  HeapMemory memory;
  const auto arrival = std::make_shared<Arrival>(*memory.allocate(block_key, limits::inline_bytes + 1));
  using namespace std::chrono_literals;
  const Answer arriving{block_key, false, Bytes{}, 12, 2s, arrival};
  const Answer there{block_key, false, bytes_of(limits::inline_bytes + 1), 12, 2s};
  CHECK(encoded(arriving) == encoded(there));
  const auto payload = payload_of(arriving);
  CHECK(payload.size == limits::inline_bytes + 1);
  CHECK(payload.data.get() == arrival->data());
  CHECK(payload.there() == 0);
  arrival->advance(5);
  CHECK(payload.there() == 5);
}

TEST_CASE("the fields of an answer survive the way") {
  using namespace std::chrono_literals;
  const Answer answer{block_key, false, Bytes::copy_of("some bytes"), 12, 1999ms};
  const auto header = decode(encoded(answer));
  REQUIRE(header);
  const auto& came = std::get<Answer>(header->message);
  CHECK(came.key == block_key);
  CHECK_FALSE(came.unchanged);
  CHECK(came.value.ok());
  CHECK(came.tag == 12);
  CHECK(came.fresh_for == 1999ms);
  CHECK(header->payload_bytes == 10);
  const auto error = decode(encoded(Answer{block_key, false, Errno{ESTALE}, 0, for_the_job}));
  REQUIRE(error);
  CHECK(std::get<Answer>(error->message).value.error() == Errno{ESTALE});
  CHECK(std::get<Answer>(error->message).fresh_for == for_the_job);
}

TEST_CASE("the fields of the other messages survive the way") {
  const auto ask = decode(encoded(Ask{block_key, 77, Shape::bulk, 9}));
  REQUIRE(ask);
  CHECK(std::get<Ask>(ask->message).key == block_key);
  CHECK(std::get<Ask>(ask->message).have == 77);
  CHECK(std::get<Ask>(ask->message).shape == Shape::bulk);
  CHECK(std::get<Ask>(ask->message).seen == 9);
  const auto publish = decode(encoded(Publish{block_key, 5, Published::offered, Errno{EIO}, 3, Duration{8}}));
  REQUIRE(publish);
  CHECK(std::get<Publish>(publish->message).key == block_key);
  CHECK(std::get<Publish>(publish->message).number == 5);
  CHECK(std::get<Publish>(publish->message).published == Published::offered);
  CHECK(std::get<Publish>(publish->message).tag == 3);
  CHECK(std::get<Publish>(publish->message).fresh_for == Duration{8});
  const auto absent = decode(encoded(Publish{block_key, 5, Published::error, Errno{ENOENT}, 0, {}}));
  REQUIRE(absent);
  CHECK(std::get<Publish>(absent->message).value.error() == Errno{ENOENT});
  const auto ping = decode(encoded(Ping{true}));
  REQUIRE(ping);
  CHECK(std::get<Ping>(ping->message).answer);
  const auto ready = decode(encoded(ReadyRanks{{Rank{5}, Rank{6}}}));
  REQUIRE(ready);
  CHECK(std::get<ReadyRanks>(ready->message).ranks == std::vector{Rank{5}, Rank{6}});
  const auto counted = decode(encoded(Counted{{Rank{3}, 9}, 8300, many_counters()}));
  REQUIRE(counted);
  CHECK(std::get<Counted>(counted->message).census == JobRequest{Rank{3}, 9});
  CHECK(std::get<Counted>(counted->message).ranks == 8300);
  CHECK(std::get<Counted>(counted->message).counters == many_counters());
}

TEST_CASE("every truncation is refused, and so is every addition") {
  for (const auto& message : every_message()) {
    auto bytes = encoded(message);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      if (decode(std::span(bytes).first(size)))
        FAIL("believed " << size << " of " << bytes.size() << " bytes");
    bytes.push_back(std::byte{0});
    CHECK_FALSE(decode(bytes));
    seal(bytes);
    CHECK_FALSE(decode(bytes));
  }
}

TEST_CASE("every flipped bit is refused") {
  for (const auto& message : every_message()) {
    auto bytes = encoded(message);
    // Of long ones a sample: all bits of the beginning and the end, and of every 97th byte.
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      const auto at = bit / 8;
      if (at > 128 && at + 64 < bytes.size() && at % 97 != 0) continue;
      const auto mask = std::byte{1} << bit % 8;
      bytes[bit / 8] ^= mask;
      if (decode(bytes)) FAIL("believed it with bit " << bit << " flipped");
      bytes[bit / 8] ^= mask;
    }
  }
}

TEST_CASE("damage under a right checksum is refused, or read as the one message that encodes so") {
  for (const auto& message : every_message()) {
    const auto good = encoded(message);
    for (std::size_t at = 0; at + 8 < good.size(); ++at) {
      if (at > 256 && at % 97 != 0) continue;
      for (const int value : {0x00, 0x01, 0x2e, 0x2f, 0x7f, 0x80, 0xff}) {
        auto bytes = good;
        bytes[at] = std::byte(value);
        seal(bytes);
        auto header = decode(bytes);
        if (!header) continue;
        if (header->payload_bytes > limits::block_bytes) FAIL("a payload larger than a block, byte " << at);
        if (whole_with_stream(*header) != bytes) FAIL("read as another message, byte " << at);
      }
    }
  }
}

TEST_CASE("another version, another magic, an unknown kind are foreign") {
  for (const std::size_t at : {0u, 4u, 5u}) {
    auto bytes = encoded(Count{{Rank{3}, 1}});
    bytes[at] ^= std::byte{0x40};
    seal(bytes);
    CHECK_FALSE(decode(bytes));
  }
}

TEST_CASE("a path that leads elsewhere is refused") {
  for (const std::string path : {"a", "/a/", "/a//b", "/../etc", "/a/.", ""}) {
    Encoded bytes;
    encode(Ask{Key::entry(path), 0}, 0, bytes);
    CHECK_FALSE(decode(bytes));
  }
}

namespace {

// Where the fields after the key begin, for a message that begins with `key`.
std::size_t after(const Key& key) {
  return 4 + 1 + 1 + 4 + 8 + (1 + 4 + 8 + 8 + 8 + 8 + 2) + key.path.size();
}

template <class T>
bool believed(const Message& message, std::size_t at, T value) {
  auto bytes = encoded(message);
  std::memcpy(&bytes.at(at), &value, sizeof value);
  seal(bytes);
  return decode(bytes).has_value();
}

}  // namespace

TEST_CASE("an ask has one of two shapes, and only blocks of files are bulk") {
  const auto shape = after(block_key) + 8;
  CHECK(believed(Ask{block_key, 1}, shape, std::uint8_t{1}));
  CHECK_FALSE(believed(Ask{block_key, 1}, shape, std::uint8_t{2}));
  CHECK_FALSE(believed(Ask{block_key, 1}, shape, std::uint8_t{255}));
  const auto entry = Key::entry("/a/b");
  CHECK(believed(Ask{entry, 1}, after(entry) + 8, std::uint8_t{0}));
  CHECK_FALSE(believed(Ask{entry, 1}, after(entry) + 8, std::uint8_t{1}));
}

TEST_CASE("a publication has a number, and what it says goes together") {
  const Publish offered{block_key, 4, Published::offered, Errno{EIO}, 12, for_the_job};
  const auto number = after(block_key);
  const auto published = number + 8;
  const auto error = published + 1;
  const auto tag = error + 4;
  CHECK(believed(offered, number, std::uint64_t{1}));
  CHECK_FALSE(believed(offered, number, std::uint64_t{0}));
  for (const auto how : {Published::bytes, Published::unchanged}) CHECK(believed(offered, published, how));
  CHECK_FALSE(believed(offered, published, Published::error));  // with a tag, without an errno
  CHECK_FALSE(believed(offered, published, std::uint8_t{4}));
  CHECK_FALSE(believed(offered, tag, std::uint64_t{0}));
  CHECK_FALSE(believed(offered, error, std::int32_t{ENOENT}));
  const Publish absent{block_key, 4, Published::error, Errno{ENOENT}, 0, {}};
  CHECK(believed(absent, error, std::int32_t{EACCES}));
  for (const std::int32_t no_error : {0, -1, 4096}) CHECK_FALSE(believed(absent, error, no_error));
  CHECK_FALSE(believed(absent, tag, std::uint64_t{1}));
  CHECK_FALSE(believed(absent, tag + 8, std::int64_t{-2}));
  const auto listing = Key::listing("/a");
  const Publish names{listing, 4, Published::unchanged, Errno{EIO}, 12, for_the_job};
  CHECK_FALSE(believed(names, after(listing) + 8, Published::offered));
}

TEST_CASE("a stream is named exactly where segments follow") {
  const std::size_t stream = 6;
  const Answer long_one{block_key, false, bytes_of(limits::inline_bytes + 1), 12, for_the_job};
  for (const std::uint32_t good : {1u, 2u, limits::streams}) CHECK(believed(long_one, stream, good));
  for (const std::uint32_t bad : {0u, limits::streams + 1, ~0u}) CHECK_FALSE(believed(long_one, stream, bad));
  CHECK_FALSE(believed(Ask{block_key, 1}, stream, std::uint32_t{1}));
}

TEST_CASE("a payload is announced only by what may carry one, and at most a block") {
  const std::size_t length = 10;
  const Answer long_one{block_key, false, bytes_of(limits::inline_bytes + 1), 12, for_the_job};
  CHECK(believed(long_one, length, std::uint64_t{limits::block_bytes}));
  CHECK_FALSE(believed(long_one, length, std::uint64_t{limits::block_bytes + 1}));
  CHECK_FALSE(believed(long_one, length, ~std::uint64_t{0}));
  CHECK_FALSE(believed(long_one, length, std::uint64_t{limits::inline_bytes}));  // it would have come along
  const Answer none{block_key, true, Errno{EIO}, 12, {}};
  CHECK_FALSE(believed(none, length, std::uint64_t{1}));
  // A large block of a file is offered, not published.
  const Publish names{Key::listing("/a"), 1, Published::bytes, bytes_of(limits::inline_bytes + 1), 12, {}};
  CHECK(believed(names, length, std::uint64_t{limits::block_bytes}));
  auto bytes = encoded(Answer{block_key, false, bytes_of(limits::inline_bytes + 1), 12, {}});
  REQUIRE(decode(bytes));
}

TEST_CASE("a message belongs to its key's tree, one without a key to the first") {
  const Topology topology(64, {}, 7);
  for (const auto* path : {"/a", "/b", "/c/d"}) {
    const auto key = Key::listing(path);
    const auto tree = topology.tree_of(key);
    CHECK(tree_of(Ask{key}, topology) == tree);
    CHECK(tree_of(Answer{key}, topology) == tree);
    CHECK(tree_of(Publish{key}, topology) == tree);
    CHECK(tree_of(Expire{key}, topology) == tree);
  }
  for (const Message& message :
       {Message(ReadyRanks{}), Message(Count{}), Message(Portion{}), Message(Counted{}), Message(Ping{})})
    CHECK(tree_of(message, topology) == first_tree);
}

TEST_CASE("only an answer or a publication with bytes has a payload") {
  const auto text = [](const Message& message) {
    const auto payload = payload_of(message);
    return std::string(reinterpret_cast<const char*>(payload.data.get()), payload.size);
  };
  CHECK(text(Answer{block_key, false, Bytes::copy_of("abc"), 12, for_the_job}) == "abc");
  CHECK(text(Publish{block_key, 1, Published::bytes, Bytes::copy_of("abc"), 12, {}}) == "abc");
  CHECK(text(Publish{block_key, 1, Published::offered, Bytes::copy_of("abc"), 12, {}}).empty());
  CHECK(text(Answer{block_key, true, Bytes::copy_of("abc"), 12, for_the_job}).empty());
  CHECK(payload_of(Message(Answer{block_key, false, Errno{EIO}, 0, {}})).data == nullptr);
  CHECK(payload_of(Message(Ask{block_key, 0})).data == nullptr);
}

}  // namespace copper
