// What a lane has asked of the rank and has not been told yet: posts on the lane's ring, completions from it.
//
// What the rank has ready is found without asking it (rank_cache.h); it is told so when it next looks.
//
// One thread, the lane's; bytes that came from the rank may be let go on any. Every wait is bounded: where
// the rank shows no sign of life or the rings are damaged, where it has no room, or finds another rank dead
// that it would have to ask, the question goes to storage directly (direct.h); where another rank took the
// segment over, it is posted again.
// A completion nobody waits for any more ends the lease it came with.
#pragma once

#include <spdlog/logger.h>

#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "fuse_frontend/kernel/request.h"
#include "fuse_frontend/rank/direct.h"
#include "fuse_frontend/rank/inbox.h"
#include "fuse_frontend/rank/large_files.h"
#include "fuse_frontend/rank/rank_cache.h"
#include "fuse_frontend/rank/signs_of_life.h"
#include "service/segment/ring.h"
#include "service/segment/segment.h"
#include "tree/key.h"
#include "tree/outcome.h"
#include "tree/ports.h"

namespace copper {

// A directory or a name that the rank found changed: whatever is held of it is to be asked for again. Or,
// where `clear` is not 0, all at or below the path: to be acknowledged with that number.
struct Noticed {
  Kind kind = Kind::entry;
  std::string path;
  std::uint64_t clear = 0;
};

class Questions {
 public:
  struct Options {
    std::uint32_t lane = 0;
    std::uint32_t generation = 0;  // the worker's
    DirectOptions direct;
  };
  Questions(Segment& segment, Inbox& inbox, NodePace& pace, std::shared_ptr<spdlog::logger> log,
            Options options);

  // Takes what was completed, resumes who waited; returns the notices that were among it.
  std::vector<Noticed> completions();
  // Looks whether the rank lives, whether it is another one, and posts what found no room before.
  void watch(Instant now);
  // When watch() is due though nothing is completed.
  std::optional<Instant> watch_due(Instant now) const;

  void post_mounted();
  void post_cleared(std::uint64_t number);

  // Around a sleep: false where something is there to take.
  bool may_sleep() { return completions_.may_sleep(); }
  void awake() { completions_.awake(); }

 private:
  friend class Asked;
  class Leases;
  struct Post {
    segment::PostKind kind{};
    std::uint64_t client = 0;
    Key key{};
    Tag have = 0;
    std::uint32_t op = 0;
    std::uint64_t block = 0;
  };

  void ask(Asked& asked);
  bool find(Asked& asked);
  void give_up(Asked& asked);
  void ask_directly(Asked& asked);
  void ask_large(Asked& asked, LargeFiles& files, Range range);
  void settle(std::uint64_t client, Answered answered);
  void take(const segment::CompletionRecord& record, std::vector<Noticed>& notices);
  std::optional<Bytes> leased(const segment::CompletionRecord& record);

  std::uint64_t next_client();
  void post(Post post);
  bool write(const Post& post);
  void tell_slow(Instant now);

  Segment& segment_;
  Inbox& inbox_;
  NodePace& pace_;
  std::shared_ptr<spdlog::logger> log_;
  Options options_;
  PostProducer posts_;
  CompletionConsumer completions_;
  RankCache cache_;
  std::shared_ptr<Leases> leases_;
  std::deque<Post> unposted_;                          // while the ring is full
  std::unordered_map<std::uint64_t, Asked*> waiting_;  // by client
  std::uint32_t last_number_ = 0;
  std::uint32_t service_generation_;
  SignsOfLife signs_;
  bool rank_lives_ = true;          // and can be asked
  Instant next_tale_{};             // of what is slow
  std::unique_ptr<Direct> direct_;  // made when it is first needed
};

// One question, asked when this is made, awaited at most once. When it goes unanswered, nobody waits any
// more. An interrupted request gets EINTR.
class Asked {
 public:
  Asked(Questions& questions, Request& request, Key key, Tag have = 0);
  // A part of a block of a large file, of storage: the answer is just these bytes.
  Asked(Questions& questions, Request& request, LargeFiles& files, Key key, Range range);
  Asked(Questions& questions, Request& request, ControlOp op, Path path);
  Asked(const Asked&) = delete;
  ~Asked();

  bool await_ready() const { return answered_.has_value(); }
  bool await_suspend(std::coroutine_handle<> waiter);
  Answered await_resume();

  void interrupted();

 private:
  friend class Questions;
  enum class Where { nowhere, rank, storage, large_file };

  void settle(Answered answered);

  Questions& questions_;
  Request& request_;
  const std::optional<ControlOp> op_;
  const Key key_;
  const Tag have_ = 0;
  const Instant since_;
  std::uint64_t client_ = 0;
  Where where_ = Where::nowhere;
  std::optional<Answered> answered_;
  std::coroutine_handle<> waiter_;
};

}  // namespace copper
