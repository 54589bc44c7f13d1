// Every rank sends every other rank a known sequence of messages in each of several trees, all at once:
// payloads of none to a whole block, some of file blocks, far more than may be in flight to one peer. Each
// must arrive once and whole; within a tree in order, where the bytes of a file block count for nothing and
// its announcement, which has no bytes, for everything.
#include <algorithm>
#include <deque>
#include <map>

#include "test/mpi/harness.h"
#include "tree/limits.h"

namespace copper {
namespace {

constexpr std::uint32_t trees = 3;
constexpr std::uint32_t messages_per_peer = 150;

// The n-th message from one rank to another: every third has no payload, the others one of a size that
// wanders.
std::size_t payload_bytes(std::uint32_t from, std::uint32_t to, std::uint32_t n) {
  if (n % 3 == 0) return 0;
  if (n % 7 == 1) return limits::block_bytes;
  if (n % 7 == 2) return limits::inline_bytes + n % 2;
  return 1 + (n * 7919 + from * 104729 + to * 1299709) % 200'000;
}

Message message(std::uint32_t from, std::uint32_t to, std::uint32_t n) {
  const auto directory =
      "/from" + std::to_string(from) + "/to" + std::to_string(to) + "/" + std::to_string(n % 8);
  const auto path = directory + "/" + std::to_string(n);
  const auto size = payload_bytes(from, to, n);
  if (size == 0) return Ask{.key = Key::entry(path), .have = n};
  const auto bytes = pattern(size, from + to * 7 + n);
  const auto tag = tag_of(bytes.span());
  if (n % 5 == 1) return Publish{Key::listing(path), n, Published::bytes, bytes, tag, Duration{n}};
  const auto key = n % 2 == 0 ? Key::entry(path) : Key::file_block(path, n, {});
  return Answer{.key = key, .unchanged = false, .value = bytes, .tag = tag, .fresh_for = Duration{n}};
}

const Key& key_of(const Message& message) {
  if (const auto* ask = std::get_if<Ask>(&message)) return ask->key;
  if (const auto* publish = std::get_if<Publish>(&message)) return publish->key;
  return std::get<Answer>(message).key;
}

bool announced(const Message& message) {
  const auto* answer = std::get_if<Answer>(&message);
  return answer != nullptr && answer->key.kind == Kind::block &&
         payload_of(message).size > limits::inline_bytes;
}

bool same(const Message& a, const Message& b) {
  const auto left = payload_of(a);
  const auto right = payload_of(b);
  const auto tag = [](const Message& message) {
    if (const auto* answer = std::get_if<Answer>(&message)) return answer->tag;
    if (const auto* publish = std::get_if<Publish>(&message)) return publish->tag;
    return std::get<Ask>(message).have;
  };
  return a.index() == b.index() && key_of(a) == key_of(b) && tag(a) == tag(b) && left.size == right.size &&
         left.arrival == nullptr &&
         std::equal(left.data.get(), left.data.get() + left.size, right.data.get());
}

// What one rank is to hear from another.
class Expected {
 public:
  Expected(std::uint32_t from, std::uint32_t self, const Topology& topology) {
    for (std::uint32_t n = 0; n < messages_per_peer; ++n) {
      const auto said = message(from, self, n);
      in_order_[topology.tree_of(key_of(said))].push_back(said);
    }
  }

  // Nothing where this is right.
  std::string take(const Message& came, Tree tree) {
    const auto* answer = std::get_if<Answer>(&came);
    if (answer != nullptr && !answer->arrival && payloads_.contains(answer->key)) {
      const bool right = same(came, payloads_.at(answer->key));
      payloads_.erase(answer->key);
      return right ? "" : describe(answer->key) + " has other bytes";
    }
    auto& next = in_order_[tree];
    if (next.empty()) return describe(key_of(came)) + " came although nothing was left";
    const auto said = next.front();
    next.pop_front();
    if (key_of(said) != key_of(came)) return describe(key_of(came)) + " came for " + describe(key_of(said));
    if (!announced(said)) return same(said, came) ? "" : describe(key_of(came)) + " is not what was said";
    payloads_.emplace(key_of(said), said);
    return answer != nullptr && answer->arrival ? "" : describe(key_of(came)) + " came unannounced";
  }

  bool all() const {
    return payloads_.empty() &&
           std::ranges::all_of(in_order_, [](const auto& tree) { return tree.second.empty(); });
  }

 private:
  std::map<Tree, std::deque<Message>> in_order_;
  std::map<Key, Message> payloads_;
};

[[noreturn]] void run(int argc, char** argv) {
  MpiJob job(argc, argv);
  const Topology topology(job.size(), {}, trees);
  HeapMemory memory;
  Counters counters;
  std::string said;
  MpiTransport transport(job, topology, memory, counters, [&](const std::string& line) { said += line; });
  std::map<Rank, Expected> expected;
  for (std::uint32_t from = 0; from < job.size(); ++from)
    if (from != job.rank()) expected.emplace(Rank{from}, Expected(from, job.rank(), topology));
  for (std::uint32_t n = 0; n < messages_per_peer; ++n) {
    for (std::uint32_t to = 0; to < job.size(); ++to) {
      if (to != job.rank()) transport.send(Rank{to}, message(job.rank(), to, n));
    }
  }
  const auto all = [&] {
    return std::ranges::all_of(expected, [](const auto& peer) { return peer.second.all(); });
  };
  while (!all() || transport.sending()) {
    const auto received = transport.receive();
    if (!received) continue;
    const auto tree = topology.tree_of(key_of(received->message));
    const auto wrong = expected.at(received->from).take(received->message, tree);
    expect(job, wrong.empty(), "from rank " + std::to_string(number(received->from)) + ": " + wrong);
  }
  expect(job, counters[Counter::messages_damaged] == 0 && said.empty(), "a message was damaged: " + said);
  expect(job, !transport.bulk_outstanding(), "payloads are under way after all have arrived");
  expect(job, job.all(true) && !job.all(job.rank() != 0), "ranks do not agree");
  expect(job, !transport.receive(), "something came that nobody sent");
  finish(job, transport);
}

}  // namespace
}  // namespace copper

int main(int argc, char** argv) {
  return copper::run_test([&] { copper::run(argc, argv); });
}
