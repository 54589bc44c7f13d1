// Every limit of the protocol in one place. What happens at a limit is said at its name; the static_asserts
// below say how the limits lean on each other. Units are in the names.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace copper::limits {

// A block of a file or of a listing. A read never spans more than two of them.
inline constexpr std::size_t block_bytes = std::size_t{1} << 20;

// A path within the source, without the terminating NUL. Longer: ENAMETOOLONG at the front end.
inline constexpr std::size_t path_bytes = 4095;

// One name. Longer: ENAMETOOLONG at the front end, as every file system under Linux answers.
inline constexpr std::size_t name_bytes = 255;

// How long what is found may be taken for fresh (-E). Checked when options are read.
inline constexpr std::chrono::milliseconds freshness_max = std::chrono::hours{24};

// No system has larger ones: what claims to be an errno and is larger is damaged.
inline constexpr int errno_max = 4095;

// A message without its payload, and the payload that may follow it in the same message. A longer message is
// damaged: counted and dropped. A longer payload travels as segments.
inline constexpr std::size_t header_bytes = path_bytes + 257;
inline constexpr std::size_t inline_bytes = std::size_t{8} << 10;
inline constexpr std::size_t message_bytes = header_bytes + inline_bytes;

// A piece of a payload: what is passed on while the rest still arrives.
inline constexpr std::size_t segment_bytes = std::size_t{256} << 10;

// Numbers of streams, from 1: payloads that travel as segments, between two ranks in one tree. They are taken
// in turn, and a message whose number is still under way waits. MPI allows message tags up to 32767.
inline constexpr std::uint32_t streams = 32767;

// Headers on their way to one peer; what exceeds them waits in that peer's own queue.
inline constexpr std::size_t headers_in_flight = 64;

// Streams of a peer that take turns; younger ones wait, so that blocks are whole one after the other, not all
// at the end.
inline constexpr std::size_t streams_in_turn = 4;

// Ranks a list in one `ready` message may name; more ranks travel in several messages.
inline constexpr std::size_t ranks_per_message = 1000;

// Events one turn of the engine takes from each port, so that a storm on one starves no other.
inline constexpr std::size_t events_per_turn = 16;

// Segments' bytes on their way to one peer; what exceeds them waits in that peer's own queue.
inline constexpr std::size_t payload_bytes_in_flight = 8 * block_bytes;

// Children of a rank in one tree, and trees of a job. Checked when options are read.
inline constexpr std::uint32_t fanout_max = 64;
inline constexpr std::uint32_t trees_max = 64;

// Listings up to this many entries carry attributes and link targets along.
inline constexpr std::size_t attributes_ride_along_entries = 256;

// How long an interior rank gathers the names of ready ranks before it passes on those it has.
inline constexpr std::chrono::milliseconds ready_gather{250};

// A census is reported after this time with the ranks that were counted so far. Who takes part in somebody
// else's says what it has earlier, by as much as it is nearer to the end of the tree (tree/job/census.h).
inline constexpr std::chrono::seconds census_patience{2};

// A part of a profile that travels up a census; however much there is, it takes more of them.
inline constexpr std::size_t portion_bytes = header_bytes - 64;

// Censuses that a rank takes part in at a time. It does not answer a further one: the asker's patience ends
// it.
inline constexpr std::size_t censuses = 64;

// Who waits for others to clear says so after the first time; the asker reports what it has by the second; a
// rank forgets a clear of which it has not heard the end by the third. It has been carried out as far as
// ranks were reached, and goes on at those that it reaches later.
inline constexpr std::chrono::seconds clear_look{3};
inline constexpr std::chrono::seconds clear_patience{10};
inline constexpr std::chrono::seconds clear_memory{60};

// Clears that a rank takes part in at a time. It leaves a further one lie; the asker says that it is pending.
inline constexpr std::size_t clears = 64;

// A version that is gone is expired once in this time, however many still ask for it: each of ten thousand
// readers of a replaced file would otherwise cost a message to everyone. So many such versions a root
// remembers; beyond them each ESTALE expires.
inline constexpr std::chrono::seconds expiry_pause{1};
inline constexpr std::size_t expiries_remembered = 4096;

// A load that an expiry overtook is repeated so often; then what it brings is answered as no longer fresh, so
// that those who wait do not wait for the last change of a directory that never rests.
inline constexpr std::uint32_t load_repeats = 4;

// Directories in which a root watches who asks for the same; beyond them the one watched longest is
// forgotten, and begins anew.
inline constexpr std::size_t directories_watched = std::size_t{1} << 16;

// Offered file blocks that a rank asks of its bulk parent at a time although nobody here waits for them: they
// want room at once. Further offers wait in line, so many; beyond them an offer is left, and its block asked
// for when somebody wants it.
inline constexpr std::size_t offers_at_once = 64;
inline constexpr std::size_t offers_in_line = 4096;

// Publications that wait to leave for one peer, and the bytes of their payloads: a peer that takes nothing
// must not hold on to the cache. What exceeds them is left out; the peer sees the gap in their numbers and
// asks.
inline constexpr std::size_t publications_waiting = 4096;
inline constexpr std::size_t publication_bytes_waiting = 16 * block_bytes;

// Blocks of files that a rank has under way at a time, asked of a parent or of storage, are at most this part
// of its memory, and at least so many; further questions wait in line, so that what arrives finds room.
inline constexpr std::size_t under_way_part = 4;
inline constexpr std::size_t under_way_min = 2;

// So many blocks are read ahead of a client that has read so many blocks of a file in order.
inline constexpr std::uint32_t read_ahead_blocks = 4;
inline constexpr std::uint32_t read_ahead_after = 2;

// Streams of one peer and tree that are looked for to be thrown away; more than that are left where they lie.
inline constexpr std::size_t streams_lost = 64;

// Publications that may be missing before one: what names a number further on is refused.
inline constexpr std::uint64_t publications_missed = std::uint64_t{1} << 20;

// How many keys of a directory are published on the guess that they are shared, for each that was seen to be.
inline constexpr std::uint32_t guesses_per_shared_key = 4;

// A rank that owes an answer and has not been heard of for so long is asked whether it lives; if that goes
// unanswered for as long again, it is dead: what was asked of it fails. While it is asked, it is looked for
// so often, and each look counts no more than twice that time: a machine that stood still is no death of
// others.
inline constexpr std::chrono::milliseconds peer_patience{2000};
inline constexpr std::chrono::milliseconds peer_look{100};

// Neighbours that owe nothing are asked after so much silence, and those that do not answer again and again.
// Who has been silent for so long since it was first asked is lost: the service is started again, without its
// host where that does not answer either. Longer than what a swapping or suspended machine takes to go on;
// what a restart costs is seconds of direct reads, so a wrong guess does little harm.
inline constexpr std::chrono::milliseconds watch_pause{5000};
inline constexpr std::chrono::milliseconds peer_lost{20000};

// A question to a rank that lives and does not answer it is asked again after peer_patience, and then each
// time after twice as long, so many times twice: a message may have been damaged. Storage that is slow for an
// hour costs a dozen messages.
inline constexpr std::uint32_t ask_again_doublings = 10;

// Storage's clock is coarse: what changed within this time of being looked at is looked at again.
inline constexpr std::chrono::nanoseconds racy_window = std::chrono::seconds{2};

static_assert(header_bytes >= path_bytes + 256, "an ask carries a whole path and its header");
static_assert(ranks_per_message * sizeof(std::uint32_t) + 256 <= header_bytes, "a rank list fits a message");
static_assert(clear_look < clear_patience && clear_patience < clear_memory,
              "what is missing is heard in time");
static_assert(peer_patience < watch_pause && 2 * watch_pause < peer_lost,
              "who is lost was asked several times");
static_assert(payload_bytes_in_flight >= 2 * block_bytes, "a reader that spans two blocks is not throttled");

}  // namespace copper::limits
