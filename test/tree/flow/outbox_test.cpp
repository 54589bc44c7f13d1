// What leaves when: headers first and in order, segments in turn, bounds, and the references to payloads.
#include "tree/flow/outbox.h"

#include <catch2/catch.hpp>
#include <string>

namespace copper {
namespace {

constexpr std::size_t segment = 16 << 10;
constexpr Tree tree{0};

FlowLimits small_limits() {
  return {.headers_in_flight = 4, .bytes_in_flight = 3 * segment, .segment_bytes = segment, .streams = 5};
}

Key file_key(std::uint32_t n) { return Key::file_block("/f", n, {}); }

Answer block(std::uint32_t n, std::size_t size) {
  return {.key = file_key(n), .value = Bytes::copy_of(std::string(size, 'x')), .tag = 1, .fresh_for = {}};
}
Answer listing(std::size_t size) {
  return {
      .key = Key::listing("/d"), .value = Bytes::copy_of(std::string(size, 'x')), .tag = 1, .fresh_for = {}};
}
Ask ask(std::uint32_t n) { return {.key = file_key(n)}; }

// "h3" for the header of file block or ask 3, "hd" of the listing; "s2:1" for segment 1 in stream 2.
std::string shown(const Outbox::Piece& piece) {
  if (!piece.header) {
    return "s" + std::to_string(piece.stream) + ":" + std::to_string(piece.offset / segment);
  }
  const auto key = std::visit(
      [](const auto& body) {
        if constexpr (requires { body.key; }) {
          return body.key;
        } else {
          return Key{};
        }
      },
      *piece.header);
  return key.kind == Kind::listing ? "hd" : "h" + std::to_string(key.block);
}

struct Drain {
  std::vector<Outbox::Piece> pieces;
  std::string text;
};

// Everything that may leave; it stays on its way.
Drain drain(Outbox& outbox) {
  Drain all;
  while (auto piece = outbox.next()) {
    all.text += (all.text.empty() ? "" : " ") + shown(*piece);
    all.pieces.push_back(std::move(*piece));
  }
  return all;
}

void all_left(Outbox& outbox, const std::vector<Outbox::Piece>& pieces) {
  for (const auto& piece : pieces) outbox.left(piece.ticket);
}

}  // namespace

TEST_CASE("a header leaves before its segments, and segments leave in order") {
  Outbox outbox(small_limits());
  outbox.post(Rank{1}, tree, block(7, 2 * segment + 5));
  const auto first = drain(outbox);
  CHECK(first.text == "h7 s1:0 s1:1 s1:2");
  CHECK(first.pieces[0].stream == 1);
  CHECK(first.pieces[3].segment.size() == 5);
  CHECK_FALSE(outbox.empty());
  all_left(outbox, first.pieces);
  CHECK(outbox.empty());
}

TEST_CASE(
    "publications for a peer that takes nothing are bounded, by number and by bytes, until they leave") {
  auto bounds = small_limits();
  bounds.publications_waiting = 6;
  bounds.publication_bytes_waiting = 4 * segment;
  Outbox outbox(bounds);
  const auto publish = [&](std::uint32_t to, std::size_t size) {
    return outbox.post(
        Rank{to}, tree,
        Publish{.key = Key::listing("/d"), .value = Bytes::copy_of(std::string(size, 'x')), .tag = 1});
  };
  CHECK(publish(1, 3 * segment));
  CHECK_FALSE(publish(1, 2 * segment));
  CHECK(publish(2, 2 * segment));  // another peer
  for (int n = 0; n < 5; ++n) CHECK(publish(1, 0));
  CHECK_FALSE(publish(1, 0));
  CHECK(outbox.post(Rank{1}, tree, ask(1)));  // nothing else is refused
  std::vector<Outbox::Piece> pieces;
  while (auto piece = outbox.next()) pieces.push_back(std::move(*piece));
  CHECK(publish(1, 0));                  // some headers have been handed out
  CHECK_FALSE(publish(1, 2 * segment));  // but the bytes are still held
  for (; !pieces.empty();) {
    all_left(outbox, pieces);
    pieces = drain(outbox).pieces;
  }
  CHECK(outbox.empty());
  CHECK(publish(1, 4 * segment));
}

TEST_CASE("a short payload has no segments and no stream") {
  Outbox outbox(small_limits());
  outbox.post(Rank{1}, tree, block(7, limits::inline_bytes));
  const auto piece = outbox.next();
  REQUIRE(piece);
  CHECK(piece->stream == 0);
  CHECK(payload_of(*piece->header).size == limits::inline_bytes);
  CHECK_FALSE(outbox.next());
}

TEST_CASE("headers overtake segments of other messages, never each other") {
  Outbox outbox(small_limits());
  outbox.post(Rank{1}, tree, block(1, 8 * segment));
  const auto full = drain(outbox);
  CHECK(full.text == "h1 s1:0 s1:1 s1:2");  // three segments may be on their way
  outbox.post(Rank{1}, tree, ask(2));
  outbox.post(Rank{1}, tree, block(3, 2 * segment));
  outbox.post(Rank{1}, tree, ask(4));
  outbox.left(full.pieces[0].ticket);
  CHECK(drain(outbox).text == "h2 h3 h4");
}

TEST_CASE("segments of a listing do not wait for those of file blocks") {
  Outbox outbox(small_limits());
  outbox.post(Rank{1}, tree, block(1, 8 * segment));
  drain(outbox);
  outbox.post(Rank{1}, tree, listing(2 * segment));
  CHECK(drain(outbox).text == "hd s2:0 s2:1");
}

TEST_CASE("a peer that takes nothing holds up no other") {
  Outbox outbox(small_limits());
  for (std::uint32_t n = 0; n < 9; ++n) outbox.post(Rank{1}, tree, block(n, 4 * segment));
  const auto slow = drain(outbox);
  CHECK(slow.text == "h0 h1 h2 h3 s1:0 s2:0 s3:0");
  outbox.post(Rank{2}, tree, block(20, 2 * segment));
  CHECK(drain(outbox).text == "h20 s1:0 s1:1");
}

TEST_CASE("peers take turns, and so do the payloads of a peer") {
  Outbox outbox(small_limits());
  outbox.post(Rank{1}, tree, block(1, 4 * segment));
  outbox.post(Rank{1}, tree, block(2, 2 * segment));
  outbox.post(Rank{2}, tree, block(3, 4 * segment));
  std::string order;
  for (int n = 0; n < 6; ++n) {
    auto piece = outbox.next();
    REQUIRE(piece);
    if (piece->header) continue;
    order += std::to_string(number(piece->to())) + ":" + std::to_string(piece->stream) + " ";
    outbox.left(piece->ticket);
  }
  CHECK(order == "1:1 2:1 1:2 ");
}

TEST_CASE("of many payloads the oldest take turns, so that they are whole one after the other") {
  auto flow = small_limits();
  flow.headers_in_flight = 100;
  flow.streams = 100;
  Outbox outbox(flow);
  for (std::uint32_t n = 0; n < limits::streams_in_turn + 2; ++n)
    outbox.post(Rank{1}, tree, block(n, 2 * segment));
  std::string order;
  while (auto piece = outbox.next()) {
    if (!piece->header) order += std::to_string(piece->stream);
    outbox.left(piece->ticket);
  }
  CHECK(order == "123415263456");
  CHECK(outbox.empty());
}

TEST_CASE("short payloads that keep coming do not hold up a long one") {
  Outbox outbox(small_limits());
  outbox.post(Rank{1}, tree, block(1, 20 * segment));
  std::size_t rounds = 0;
  for (std::size_t sent = 0; sent < 20; ++rounds) {
    REQUIRE(rounds < 200);
    outbox.post(Rank{1}, tree, block(2, segment));
    for (int n = 0; n < 2; ++n) {
      const auto piece = outbox.next();
      REQUIRE(piece);
      if (!piece->header && piece->stream == 1 && piece->offset == sent * segment) ++sent;
      outbox.left(piece->ticket);
    }
  }
}

TEST_CASE("of a payload that is still arriving leaves what is there") {
  HeapMemory memory;
  const auto arrival = std::make_shared<Arrival>(*memory.allocate(file_key(1), 2 * segment + 1));
  Outbox outbox(small_limits());
  outbox.post(Rank{1}, tree, Answer{.key = file_key(1), .tag = 1, .fresh_for = {}, .arrival = arrival});
  CHECK(drain(outbox).text == "h1");
  arrival->advance(segment - 1);
  CHECK(drain(outbox).text.empty());  // a piece of a segment is no segment
  arrival->advance(segment + 1);
  const auto some = drain(outbox);
  CHECK(some.text == "s1:0 s1:1");
  CHECK(some.pieces[1].segment.data() == arrival->data() + segment);
  arrival->advance(1);
  CHECK(drain(outbox).text == "s1:2");
}

TEST_CASE("one that does not arrive lets those behind it pass") {
  HeapMemory memory;
  Outbox outbox(small_limits());
  for (std::uint32_t n = 0; n < limits::streams_in_turn; ++n) {
    const auto arrival = std::make_shared<Arrival>(*memory.allocate(file_key(n), 2 * segment));
    outbox.post(Rank{1}, tree, Answer{.key = file_key(n), .tag = 1, .fresh_for = {}, .arrival = arrival});
  }
  all_left(outbox, drain(outbox).pieces);
  outbox.post(Rank{1}, tree, block(9, segment));
  CHECK(drain(outbox).text == "h9 s5:0");
}

TEST_CASE("a payload is held until its last segment has left") {
  for (const bool header_first : {false, true}) {
    Outbox outbox(small_limits());
    auto bytes = Bytes::copy_of(std::string(2 * segment, 'x'));
    const std::weak_ptr<const std::byte> watched = bytes.owner();
    outbox.post(Rank{1}, tree,
                Answer{.key = file_key(1), .value = std::move(bytes), .tag = 1, .fresh_for = {}});
    auto all = drain(outbox).pieces;
    REQUIRE(all.size() == 3);
    for (auto& piece : all) piece.header.reset();
    if (header_first) outbox.left(all[0].ticket);
    outbox.left(all[2].ticket);
    CHECK_FALSE(watched.expired());
    outbox.left(all[1].ticket);
    CHECK(watched.expired());
    if (!header_first) outbox.left(all[0].ticket);
    CHECK(outbox.empty());
  }
}

TEST_CASE("a stream's number is not used again while it is under way, and the order stays") {
  Outbox outbox(
      {.headers_in_flight = 100, .bytes_in_flight = segment, .segment_bytes = segment, .streams = 2});
  outbox.post(Rank{1}, tree, block(1, segment));
  outbox.post(Rank{1}, tree, block(2, segment));
  outbox.post(Rank{1}, tree, block(3, segment));
  outbox.post(Rank{1}, tree, ask(4));
  outbox.post(Rank{1}, Tree{1}, block(5, segment));  // another tree has numbers of its own
  auto first = drain(outbox);
  CHECK(first.text == "h1 h5 h2 s1:0");
  for (const auto& piece : first.pieces)
    if (piece.header) outbox.left(piece.ticket);
  CHECK(drain(outbox).text.empty());
  outbox.left(first.pieces.back().ticket);
  const auto then = drain(outbox);
  CHECK(then.text.substr(0, 5) == "h3 h4");
  CHECK(then.pieces[0].stream == 1);
}

TEST_CASE("whatever leaves in whatever order, everything does, once, within the bounds") {
  // Every way to let one of the pieces under way leave, for small loads: exhaustively by choice sequence.
  for (unsigned choices = 0; choices < 4096; ++choices) {
    Outbox outbox(
        {.headers_in_flight = 2, .bytes_in_flight = 2 * segment, .segment_bytes = segment, .streams = 3});
    for (std::uint32_t n = 0; n < 3; ++n) {
      outbox.post(Rank{1}, tree, block(n, (n + 1) * segment));
      outbox.post(Rank{1 + n % 2}, tree, ask(n + 10));
    }
    std::vector<Outbox::Piece> under_way;
    std::size_t segments = 0;
    std::size_t headers = 0;
    for (unsigned step = 0; !outbox.empty(); ++step) {
      REQUIRE(step < 100);
      while (auto piece = outbox.next()) {
        (piece->header ? headers : segments) += 1;
        under_way.push_back(std::move(*piece));
      }
      std::size_t bytes = 0;
      for (const auto& piece : under_way)
        if (piece.to() == Rank{1}) bytes += piece.segment.size();
      REQUIRE(bytes <= 2 * segment);
      REQUIRE_FALSE(under_way.empty());
      const auto at = (choices >> step % 12) % 2 == 0 ? 0 : under_way.size() - 1;
      outbox.left(under_way[at].ticket);
      under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(at));
    }
    REQUIRE(headers == 6);
    REQUIRE(segments == 6);
  }
}

}  // namespace copper
