// The codec: what is said arrives, and nothing else is believed.
#include "tree/message.h"

#include <xxhash.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <string>

#include "tree/limits.h"

namespace copper {
namespace {

using Encoded = std::vector<std::byte>;

Encoded encoded(const Message& message, std::uint32_t payload_tag = 7) {
  Encoded bytes;
  encode(message, payload_tag, bytes);
  return bytes;
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
      Ask{Key::listing_block("/a", 4, 99), 5},
      Ask{Key::entry("/a/b"), ~Tag{0}},
      Ask{block_key, 1},
      Ask{Key::filesystem("/lus"), 0},
      Answer{block_key, false, Bytes::copy_of("some bytes"), 12, for_the_job},
      Answer{block_key, false, Bytes{}, tag_of({}), 0s},
      Answer{Key::entry("/a"), true, Errno{EIO}, 12, 1999ms},
      Answer{Key::entry("/a"), false, Errno{ENOENT}, 0, 2s},
      Answer{block_key, false, Errno{ESTALE}, 0, 0s},
      Expire{block_key},
      Expire{Key::listing_block("/a", 4, 99)},
      ReadyRanks{{Rank{0}}},
      ReadyRanks{{Rank{5}, Rank{0xffff'ffff}}},
      Count{{Rank{3}, 1}},
      Counted{{Rank{3}, 1}, 8300, many_counters()},
      // The longest of their kinds.
      Ask{Key::file_block(longest_path(), ~0u, version), 1},
      Answer{Key::file_block(longest_path(), ~0u, version), false, Errno{EIO}, 0, 0s},
      ReadyRanks{many},
  };
}

// Makes the checksum right again after damage.
void seal(Encoded& bytes) {
  const auto checksum = std::uint64_t{XXH3_64bits(bytes.data(), bytes.size() - 8)};
  std::memcpy(&bytes[bytes.size() - 8], &checksum, 8);  // tests run on little-endian machines
}

}  // namespace

TEST_CASE("what is encoded decodes to itself") {
  for (const auto& message : every_message()) {
    const auto bytes = encoded(message, 0xdead'beef);
    const auto header = decode(bytes);
    REQUIRE(header);
    CHECK(bytes.size() <= limits::message_bytes);
    CHECK(header->message.index() == message.index());
    CHECK(header->payload_tag == 0xdead'beef);
    const auto* payload = payload_of(message);
    CHECK(header->payload_bytes == (payload == nullptr ? 0 : payload->size()));
    // An answer's bytes come apart; with them it is whole again.
    auto again = header->message;
    if (payload != nullptr) std::get<Answer>(again).value = *payload;
    CHECK(encoded(again, 0xdead'beef) == bytes);
  }
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
  const auto ask = decode(encoded(Ask{block_key, 77}));
  REQUIRE(ask);
  CHECK(std::get<Ask>(ask->message).key == block_key);
  CHECK(std::get<Ask>(ask->message).have == 77);
  const auto ready = decode(encoded(ReadyRanks{{Rank{5}, Rank{6}}}));
  REQUIRE(ready);
  CHECK(std::get<ReadyRanks>(ready->message).ranks == std::vector{Rank{5}, Rank{6}});
  const auto counted = decode(encoded(Counted{{Rank{3}, 9}, 8300, many_counters()}));
  REQUIRE(counted);
  CHECK(std::get<Counted>(counted->message).census == CensusName{Rank{3}, 9});
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
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
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
      for (const int value : {0x00, 0x01, 0x2e, 0x2f, 0x7f, 0x80, 0xff}) {
        auto bytes = good;
        bytes[at] = std::byte(value);
        seal(bytes);
        auto header = decode(bytes);
        if (!header) continue;
        if (header->payload_bytes > limits::block_bytes) FAIL("a payload larger than a block, byte " << at);
        if (header->payload_bytes != 0)
          std::get<Answer>(header->message).value =
              Bytes::copy_of(std::string(static_cast<std::size_t>(header->payload_bytes), 'x'));
        if (encoded(header->message, header->payload_tag) != bytes)
          FAIL("read as another message, byte " << at);
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

TEST_CASE("only an answer with bytes has a payload") {
  const Message answer = Answer{block_key, false, Bytes::copy_of("abc"), 12, for_the_job};
  REQUIRE(payload_of(answer) != nullptr);
  CHECK(payload_of(answer)->text() == "abc");
  CHECK(payload_of(Message(Answer{block_key, true, Bytes::copy_of("abc"), 12, for_the_job})) == nullptr);
  CHECK(payload_of(Message(Answer{block_key, false, Errno{EIO}, 0, {}})) == nullptr);
  CHECK(payload_of(Message(Ask{block_key, 0})) == nullptr);
}

}  // namespace copper
