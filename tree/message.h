// What ranks say to each other, and how it looks on the wire: a header of at most limits::header_bytes, then
// the payload. One of at most limits::inline_bytes follows the header in the same message; a longer one
// travels as segments of limits::segment_bytes (the last one shorter), messages of their own, so that they
// can be received straight into the arena and passed on while the rest still arrives. All integers
// little-endian, fixed width. decode() believes nothing: it is given bytes from a network.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "tree/bytes.h"
#include "tree/counters.h"
#include "tree/key.h"
#include "tree/outcome.h"
#include "tree/topology.h"

namespace copper {

// child -> parent, in the tree of the key's directory: what is the outcome of `key`? I have the bytes with
// tag `have` (zero: none), and have been told the tree's publications up to number `seen`.
struct Ask {
  Key key;
  Tag have = 0;
  Shape shape = Shape::control;  // whose child asks
  std::uint64_t seen = 0;
};
// `seen` of a question that is asked again: to be answered whatever has been published.
inline constexpr std::uint64_t answer_in_any_case = UINT64_MAX;

// parent -> child: what was asked. `unchanged`: the bytes with the tag you named. Freshness travels as the
// time that is left, so that levels do not add up and clocks need not agree.
struct Answer {
  Key key;
  bool unchanged = false;
  Result<Bytes> value = Errno{EIO};  // meaningless where unchanged
  Tag tag = 0;
  Duration fresh_for{};
  // Not null: the bytes are still arriving here, and `value` is empty. Such an answer may be sent; and it is
  // received before the same answer with its bytes.
  std::shared_ptr<const Arrival> arrival = nullptr;
  // Its bytes came, and were damaged on the way: no answer, and whoever waits for it asks again.
  bool damaged = false;
};

// root -> everyone, down the control tree: the outcome of `key`, whoever asked. The tree's publications are
// numbered from 1. Where it is `offered` the bytes do not come along: who lacks them asks its parent in the
// bulk tree. Whoever asked its control parent for the key with `seen` below this number gets no answer there:
// this is it.
enum class Published : std::uint8_t { bytes = 0, unchanged = 1, error = 2, offered = 3 };
struct Publish {
  Key key;
  std::uint64_t number = 0;
  Published published = Published::bytes;
  Result<Bytes> value = Errno{EIO};  // meaningful where it says `bytes` or `error`
  Tag tag = 0;                       // zero where it says `error`
  Duration fresh_for{};
};

// root -> everyone: what you hold of `key` (and, unless it is a listing, of its directory's listing) is to be
// asked for again. Sent before the ESTALE answer that it belongs to.
struct Expire {
  Key key;
};

// child -> parent: these ranks of my subtree answer their mounts.
struct ReadyRanks {
  std::vector<Rank> ranks;  // 1..limits::ranks_per_message
};

// What a rank asks of the whole job: its name.
struct JobRequest {
  Rank asker{};
  std::uint64_t number = 0;
  friend auto operator<=>(const JobRequest&, const JobRequest&) = default;
};

// To a neighbour in the first tree, `hops` away from who asks: count yourselves, you and everyone beyond you.
// Back from it, behind the portions of the sum's profile (tree/profile), where one is asked for: the sums.
// See tree/job/census.h.
// Each with those before; `last`: a profile, and the job asks for no other.
enum class Scope : std::uint8_t { counters = 0, timings = 1, profile = 2, last = 3 };
struct Count {
  JobRequest census;
  Scope scope = Scope::counters;
  std::uint32_t hops = 1;
};
struct Portion {
  JobRequest census;
  std::vector<std::byte> bytes;  // at most limits::portion_bytes
};
struct Counted {
  JobRequest census;
  std::uint32_t ranks = 0;
  Counters counters;
  std::uint32_t portions = 0;  // that have been sent before
};

// child -> parent: everything held at or below `path` is to be forgotten; from the root on, parent -> child:
// forget it, now. And back the way it came: so many ranks have; `missing`: one of those that have not, in
// answers that come before the last. See tree/job/clearing.h.
struct Clear {
  JobRequest clear;
  Tree tree{};
  Path path;
};
struct Cleared {
  JobRequest clear;
  Tree tree{};
  std::uint32_t ranks = 0;
  std::optional<Rank> missing{};
};

// Between any two ranks of which one owes the other an answer: do you live? And: I do.
struct Ping {
  bool answer = false;
};

using Message =
    std::variant<Ask, Answer, Publish, Expire, ReadyRanks, Count, Portion, Counted, Clear, Cleared, Ping>;

// Which tree a message belongs to: its own or its key's; the first one where it has neither.
Tree tree_of(const Message& message, const Topology& topology);

struct Header {
  Message message;  // the bytes of an Answer or a Publish are empty here: they are the payload
  std::uint64_t payload_bytes = 0;     // <= limits::block_bytes
  std::uint32_t stream = 0;            // chosen by the sender: which segments belong to this header
  std::span<const std::byte> inlined;  // the payload, where it came along; refers to what was decoded
};

inline constexpr std::uint8_t wire_version = 4;

// The bytes of the message, a payload of at most limits::inline_bytes included, in `out` (cleared first).
void encode(const Message& message, std::uint32_t stream, std::vector<std::byte>& out);

// Nothing where the bytes are damaged or foreign: wrong magic, version, checksum, length, kind, path. Whether
// the ranks it names exist, and whether the sender may say this, is not known here.
std::optional<Header> decode(std::span<const std::byte> bytes);

// The payload that goes with a message: the bytes of an Answer or a Publish that carries some, whole or still
// arriving. Null data where there is none.
struct Payload {
  std::shared_ptr<const std::byte> data;
  std::size_t size = 0;
  std::shared_ptr<const Arrival> arrival;  // null: all of it is there
  std::size_t there() const { return arrival && !arrival->abandoned() ? arrival->arrived() : size; }
};
Payload payload_of(const Message& message);

}  // namespace copper
