// What a rank counts. Plain integers, one thread; the sum over ranks is the job's figure. A question is
// counted once, where it is decided.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace copper {

// clang-format off
#define COPPER_COUNTERS(X)                                                                     \
  X(client_asks,         "questions from this node's front end")                               \
  X(client_hits,         "of them answered from this rank's cache")                            \
  X(client_found,        "of these found by the front end itself, in shared memory")           \
  X(client_joined,       "of them joined a question already on its way")                       \
  X(child_asks,          "questions from child ranks")                                         \
  X(child_hits,          "of them answered from this rank's cache")                            \
  X(child_joined,        "of them joined a question already on its way")                       \
  X(asks_sent,           "questions to the parent rank")                                       \
  X(asked_again,         "questions to the parent that were sent once more")                   \
  X(answers_unchanged,   "answers from the parent without bytes: unchanged")                   \
  X(loads_listing,       "listings asked of storage")                                          \
  X(loads_entry,         "entries asked of storage")                                           \
  X(loads_block,         "blocks asked of storage")                                            \
  X(loads_filesystem,    "statvfs asked of storage")                                           \
  X(read_ahead,          "blocks asked for ahead of a reader")                                 \
  X(waited_for_room,     "questions that waited until others had made room")                   \
  X(loads_known,         "of all loads: answered or refused without asking storage"   )       \
  X(loads_unchanged,     "of all loads: renewed, storage said unchanged")                      \
  X(loads_failed,        "of all loads: errors, absent names not counted")                     \
  X(published,           "outcomes told everyone, counted at their roots")                     \
  X(publications,        "outcomes told by a root")                                            \
  X(publications_missed, "gaps in what was told: what was waited for is asked again")          \
  X(publications_left_out, "of what was told: not sent to a child that takes nothing")         \
  X(publications_held,   "of them held already")                                               \
  X(offers_taken,        "of them offers of file blocks, asked of the bulk parent")            \
  X(offers_left,         "of them offers left: too much on its way, or no room")                  \
  X(bytes_loaded,        "bytes read from storage (listings and entries as encoded)")          \
  X(bytes_received,      "payload bytes from the parent rank")                                 \
  X(bytes_sent,          "payload bytes to child ranks")                                       \
  X(messages_sent,       "messages to other ranks")                                            \
  X(messages_received,   "messages from other ranks")                                          \
  X(answers_unasked,     "answers that nobody waited for (any more)")                          \
  X(peers_dead,          "ranks found dead")                                                   \
  X(messages_damaged,    "messages dropped: damaged or foreign")                               \
  X(blocks_damaged,      "blocks that a former rank left: dropped, found damaged")             \
  X(messages_refused,    "messages dropped: not their sender's to send")                       \
  X(evictions,           "outcomes dropped to make room")                                      \
  X(expired,             "outcomes expired because storage changed")                           \
  X(cleared,             "outcomes forgotten because a user said so")                          \
  X(no_room,             "questions refused for want of cache memory")                         \
  X(cancelled,           "questions whose asker went away")                                    \
  X(warnings,            "warnings and errors in the rank's log")
// clang-format on

enum class Counter : std::size_t {
#define COPPER_COUNTER_NAME(name, text) name,
  COPPER_COUNTERS(COPPER_COUNTER_NAME)
#undef COPPER_COUNTER_NAME
      count
};

inline constexpr std::size_t counter_count = static_cast<std::size_t>(Counter::count);

class Counters {
 public:
  void add(Counter counter, std::uint64_t n = 1) { values_[static_cast<std::size_t>(counter)] += n; }
  std::uint64_t operator[](Counter counter) const { return values_[static_cast<std::size_t>(counter)]; }
  void add(const Counters& other) {
    for (std::size_t i = 0; i < counter_count; ++i) values_[i] += other.values_[i];
  }
  std::array<std::uint64_t, counter_count>& values() { return values_; }
  const std::array<std::uint64_t, counter_count>& values() const { return values_; }
  friend bool operator==(const Counters&, const Counters&) = default;

 private:
  std::array<std::uint64_t, counter_count> values_{};
};

// The counter's name as printed (the identifier), and its meaning.
std::string_view name(Counter counter);
std::string_view meaning(Counter counter);

}  // namespace copper
