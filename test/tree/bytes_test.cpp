// Bytes, buffers, tags.
#include "tree/bytes.h"

#include <catch2/catch.hpp>

#include "tree/key.h"

namespace copper {

TEST_CASE("equal bytes have equal tags, other bytes other ones, and none has the tag zero") {
  CHECK(tag_of(Bytes::copy_of("abc").span()) == tag_of(Bytes::copy_of("abc").span()));
  CHECK(tag_of(Bytes::copy_of("abc").span()) != tag_of(Bytes::copy_of("abd").span()));
  CHECK(tag_of({}) != 0);
}

TEST_CASE("a copy of bytes shares its memory, not that of the original") {
  std::string original = "abc";
  const auto bytes = Bytes::copy_of(original);
  const auto same = bytes;
  original = "xyz";
  CHECK(bytes.text() == "abc");
  CHECK(same.data() == bytes.data());
}

TEST_CASE("a sealed buffer is what was written into it, without a copy") {
  HeapMemory memory;
  const auto buffer = memory.allocate(Key::entry("/a"), 3);
  REQUIRE(buffer);
  for (auto& byte : buffer->span()) byte = std::byte{'x'};
  const auto bytes = memory.seal(*buffer, 1);
  CHECK(bytes.text() == "xxx");
  CHECK(bytes.data() == buffer->data());
}

TEST_CASE("no bytes are bytes too") {
  HeapMemory memory;
  CHECK(memory.seal(*memory.allocate(Key::entry("/a"), 0), 1).size() == 0);
  CHECK(Bytes{}.text().empty());
}

}  // namespace copper
