// What ranks say to each other, and how it looks on the wire: a header of at most limits::message_bytes,
// then, where `payload_bytes` is not zero, the payload as a message of its own, so that it can be received
// straight into the arena. All integers little-endian, fixed width. decode() believes nothing: it is given
// bytes from a network.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "tree/counters.h"
#include "tree/key.h"
#include "tree/outcome.h"
#include "tree/topology.h"

namespace copper {

// child -> parent: what is the outcome of `key`? I have the bytes with tag `have` (zero: none).
struct Ask {
  Key key;
  Tag have = 0;
};

// parent -> child: exactly one for each ask. `unchanged`: the bytes with the tag you named. Freshness travels
// as the time that is left, so that levels do not add up and clocks need not agree.
struct Answer {
  Key key;
  bool unchanged = false;
  Result<Bytes> value = Errno{EIO};  // meaningless where unchanged
  Tag tag = 0;
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

// Any rank may take a census; `asker` and `number` name it. To a neighbour in the first tree: count
// yourselves, you and everyone beyond you. Back from it: the sums. See tree/census.h.
struct CensusName {
  Rank asker{};
  std::uint64_t number = 0;
  friend auto operator<=>(const CensusName&, const CensusName&) = default;
};
struct Count {
  CensusName census;
};
struct Counted {
  CensusName census;
  std::uint32_t ranks = 0;
  Counters counters;
};

using Message = std::variant<Ask, Answer, Expire, ReadyRanks, Count, Counted>;

struct Header {
  Message message;                  // an Answer's bytes are empty here: they come as the payload
  std::uint64_t payload_bytes = 0;  // <= limits::block_bytes
  std::uint32_t payload_tag = 0;    // chosen by the sender: which payload message belongs to this header
};

inline constexpr std::uint8_t wire_version = 1;

// The bytes of the header, in `out` (cleared first).
void encode(const Message& message, std::uint32_t payload_tag, std::vector<std::byte>& out);

// Nothing where the bytes are damaged or foreign: wrong magic, version, checksum, length, kind, path. Whether
// the ranks it names exist, and whether the sender may say this, is not known here.
std::optional<Header> decode(std::span<const std::byte> bytes);

// The payload that goes with a message: the bytes of an Answer that carries some, else null.
const Bytes* payload_of(const Message& message);

}  // namespace copper
