// What comes is put together, verified and handed out in order, once.
#include "tree/flow/inbox.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

namespace copper {
namespace {

constexpr std::size_t segment = 16 << 10;
constexpr Tree tree{0};
constexpr Rank parent{3};

// No room for what is larger than `most`.
class SmallMemory final : public Memory {
 public:
  explicit SmallMemory(std::size_t most) : most_(most) {}
  std::optional<Buffer> allocate(const Key& key, std::size_t size) override {
    return size <= most_ ? heap_.allocate(key, size) : std::nullopt;
  }
  Bytes seal(Buffer buffer, Tag tag) override {
    ++sealed;
    return heap_.seal(std::move(buffer), tag);
  }
  int sealed = 0;

 private:
  std::size_t most_;
  HeapMemory heap_;
};

std::string text(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + (i >> 9));
  return bytes;
}

Answer answer(Key key, std::size_t size) {
  const auto bytes = Bytes::copy_of(text(size));
  return {.key = std::move(key), .value = bytes, .tag = tag_of(bytes.span()), .fresh_for = Duration{5}};
}
Answer block(std::uint32_t n, std::size_t size) { return answer(Key::file_block("/f", n, {}), size); }
Answer listing(std::size_t size) { return answer(Key::listing("/d"), size); }
Ask ask(std::uint32_t n) { return {.key = Key::file_block("/f", n, {})}; }

struct Harness {
  explicit Harness(std::size_t room = limits::block_bytes) : memory(room) {}

  SmallMemory memory;
  Counters counters;
  std::string said;
  DamageReport damage{counters, [this](const std::string& line) { said += line + "\n"; }};
  Inbox inbox{memory, damage, segment};
  std::uint32_t stream = 0;

  std::optional<Inbox::Ticket> header(const Message& message, Tree in = tree, Rank from = parent) {
    return inbox.header(from, in,
                        header_of(message, payload_of(message).size > limits::inline_bytes ? ++stream : 0));
  }
  // Segment n of what `message` carries.
  void segment_of(const Message& message, Inbox::Ticket ticket, std::size_t n) {
    const auto room = inbox.room(ticket, n);
    std::copy_n(payload_of(message).data.get() + n * segment, room.size(), room.data());
    inbox.segment(ticket, n, room.size());
  }
  void segments_of(const Message& message, Inbox::Ticket ticket) {
    const auto count = inbox.segments(ticket);
    for (std::size_t n = 0; n < count; ++n) segment_of(message, ticket, n);
  }

  // What comes out: "ask 3", "block 3 arriving", "block 3 whole", "listing whole", with "damaged".
  std::string out() {
    std::string all;
    while (auto received = inbox.receive()) all += (all.empty() ? "" : ", ") + shown(received->message);
    return all;
  }
  static std::string shown(const Message& message) {
    if (const auto* asked = std::get_if<Ask>(&message)) return "ask " + std::to_string(asked->key.block);
    if (std::holds_alternative<Publish>(message)) return "publish whole";
    const auto& came = std::get<Answer>(message);
    const auto name = came.key.kind == Kind::block ? "block " + std::to_string(came.key.block) : "listing";
    if (came.arrival) return name + (came.value.ok() && came.value->size() == 0 ? " arriving" : " wrong");
    if (came.damaged) return name + " damaged";
    if (!came.value.ok()) return name + " wrong";
    return name + (came.value->text() == text(came.value->size()) ? " whole" : " other");
  }
};

}  // namespace

TEST_CASE("messages without and with short payloads come out at once, in order") {
  Harness harness;
  CHECK_FALSE(harness.header(ask(1)));
  CHECK_FALSE(harness.header(block(2, limits::inline_bytes)));
  CHECK_FALSE(harness.header(listing(3)));
  CHECK_FALSE(harness.header(listing(0)));
  CHECK(harness.out() == "ask 1, block 2 whole, listing whole, listing whole");
  CHECK(harness.memory.sealed == 2);
  CHECK_FALSE(harness.inbox.arriving());
}

TEST_CASE("a file block is announced while it arrives, and holds nothing back") {
  Harness harness;
  const auto message = block(1, 3 * segment - 7);
  const auto ticket = harness.header(message);
  REQUIRE(ticket);
  harness.header(ask(2));
  const auto announced = harness.inbox.receive();
  REQUIRE(announced);
  CHECK(Harness::shown(announced->message) == "block 1 arriving");
  CHECK(announced->from == parent);
  const auto& arrival = std::get<Answer>(announced->message).arrival;
  CHECK(arrival->size() == 3 * segment - 7);
  CHECK(std::get<Answer>(announced->message).tag == message.tag);
  CHECK(harness.out() == "ask 2");
  REQUIRE(harness.inbox.segments(*ticket) == 3);
  CHECK(harness.inbox.room(*ticket, 2).size() == segment - 7);
  harness.segment_of(message, *ticket, 1);
  CHECK(arrival->arrived() == 0);  // front to back
  harness.segment_of(message, *ticket, 0);
  CHECK(arrival->arrived() == 2 * segment);
  harness.inbox.tag_arrived();
  CHECK(harness.out().empty());
  CHECK(harness.inbox.arriving());
  harness.segment_of(message, *ticket, 2);
  CHECK(arrival->complete());
  CHECK_FALSE(harness.inbox.arriving());
  CHECK(harness.out() == "block 1 whole");
  CHECK(harness.counters[Counter::messages_damaged] == 0);
}

TEST_CASE("the bytes lie where they were announced") {
  Harness harness;
  const auto message = block(1, segment);
  const auto ticket = harness.header(message);
  const auto announced = harness.inbox.receive();
  harness.segments_of(message, *ticket);
  const auto whole = harness.inbox.receive();
  REQUIRE(whole);
  CHECK(std::get<Answer>(whole->message).value->data() ==
        std::get<Answer>(announced->message).arrival->data());
  CHECK(std::get<Answer>(whole->message).arrival == nullptr);
}

TEST_CASE("a long listing holds back what its sender sent after it in that tree, and nothing else") {
  Harness harness;
  const auto names = listing(2 * segment);
  const auto data = block(1, segment);
  const auto names_ticket = harness.header(names);
  const auto data_ticket = harness.header(data);
  harness.header(ask(2));
  harness.header(ask(3), Tree{1});
  harness.header(ask(4), tree, Rank{9});
  CHECK(harness.out() == "ask 3, ask 4");
  harness.segments_of(data, *data_ticket);  // whole, and not even announced
  CHECK(harness.out().empty());
  harness.segments_of(names, *names_ticket);
  CHECK(harness.out() == "listing whole, block 1 arriving, block 1 whole, ask 2");
}

TEST_CASE("a long publication comes out whole, in its order") {
  Harness harness;
  const auto bytes = Bytes::copy_of(text(2 * segment));
  const Publish publish{Key::listing("/d"), 1, Published::bytes, bytes, tag_of(bytes.span()), {}};
  const auto ticket = harness.header(publish);
  REQUIRE(ticket);
  harness.header(ask(1));
  harness.segments_of(publish, *ticket);
  CHECK(harness.out() == "publish whole, ask 1");
}

TEST_CASE("segments in every order, of several payloads at once: each comes out once") {
  // Two payloads of three segments: every order of the six.
  std::vector<int> order{0, 1, 2, 3, 4, 5};
  do {
    Harness harness;
    const std::array<Answer, 2> messages{block(1, 3 * segment), listing(3 * segment)};
    const auto first = harness.header(messages[0]);
    const auto second = harness.header(messages[1]);
    std::string all = harness.out();
    for (const int n : order) {
      const auto which = static_cast<std::size_t>(n / 3);
      harness.segment_of(messages[which], which == 0 ? *first : *second, static_cast<std::size_t>(n % 3));
      const auto more = harness.out();
      if (!more.empty()) all += ", " + more;
    }
    const bool block_first = std::ranges::find_if(order.rbegin(), order.rend(), [](int n) { return n < 3; }) >
                             std::ranges::find_if(order.rbegin(), order.rend(), [](int n) { return n >= 3; });
    REQUIRE(all == (block_first ? "block 1 arriving, block 1 whole, listing whole"
                                : "block 1 arriving, listing whole, block 1 whole"));
  } while (std::ranges::next_permutation(order).found);
}

TEST_CASE("where memory has no room the payload lies on the heap") {
  Harness harness(segment);
  const auto message = listing(2 * segment);
  const auto ticket = harness.header(message);
  harness.segments_of(message, *ticket);
  CHECK(harness.out() == "listing whole");
  CHECK(harness.memory.sealed == 0);
}

TEST_CASE("other bytes than announced are no answer and no publication, counted, and told once") {
  Harness harness;
  for (std::uint32_t n = 1; n <= 2; ++n) {
    const auto message = block(n, 2 * segment);
    const auto ticket = harness.header(message);
    auto other = message;
    other.value = Bytes::copy_of(std::string(2 * segment, 'x'));
    harness.segments_of(other, *ticket);
    CHECK(harness.out() ==
          "block " + std::to_string(n) + " arriving, block " + std::to_string(n) + " damaged");
    const auto damaged = harness.inbox.damaged();
    REQUIRE(damaged.size() == 1);
    CHECK(damaged[0].from == parent);
    CHECK(damaged[0].number == n);
  }
  CHECK(harness.inbox.damaged().empty());
  auto small = listing(10);
  small.tag += 1;
  harness.header(small);
  Publish publish{Key::listing("/d"), 1, Published::bytes, Bytes::copy_of("x"), 1, {}};
  harness.header(publish);
  CHECK(harness.out() == "listing damaged");
  CHECK(harness.counters[Counter::messages_damaged] == 4);
  CHECK(std::ranges::count(harness.said, '\n') == 1);
  CHECK(harness.said.find("rank 3") != std::string::npos);
}

TEST_CASE("a segment of another length damages its payload, and who forwards it is not stuck") {
  Harness harness;
  const auto message = block(1, 2 * segment);
  const auto ticket = harness.header(message);
  const auto announced = harness.inbox.receive();
  harness.inbox.segment(*ticket, 0, 5);
  harness.segment_of(message, *ticket, 1);
  CHECK(std::get<Answer>(announced->message).arrival->complete());
  CHECK(harness.out() == "block 1 damaged");
  CHECK(harness.counters[Counter::messages_damaged] == 1);
  CHECK(harness.inbox.damaged().size() == 1);
}

}  // namespace copper
