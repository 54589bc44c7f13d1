// See questions.h.
#include "fuse_frontend/rank/questions.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fuse_frontend/clock.h"
#include "fuse_frontend/count.h"
#include "fuse_frontend/rank/arena_block.h"
#include "tree/limits.h"

namespace copper {

using segment::CompletionKind;
using segment::CompletionRecord;
using segment::PostKind;
using segment::PostRecord;

namespace {

constexpr auto retry_period = std::chrono::milliseconds{1};  // while the ring is full
constexpr auto slow_after = std::chrono::seconds{5};         // and so often it is said again
constexpr std::size_t slow_shown = 5;
constexpr std::size_t copied_bytes_max = std::size_t{128} << 10;

bool is_kind(std::uint8_t kind) {
  return kind >= static_cast<std::uint8_t>(Kind::listing) &&
         kind <= static_cast<std::uint8_t>(Kind::filesystem);
}

}  // namespace

// Where bytes that are let go end their lease: at once on the lane's thread, through its inbox on any other.
// Shared with the bytes, so that it is there as long as one of them.
class Questions::Leases {
 public:
  Leases(Questions& questions, Inbox& inbox) : questions_(questions), inbox_(inbox) {}

  void end(std::uint64_t block) {
    if (std::this_thread::get_id() == lane_) {
      questions_.post(Post{.kind = PostKind::release, .block = block});
    } else {
      inbox_.leave([&questions = questions_, block] {
        questions.post(Post{.kind = PostKind::release, .block = block});
      });
    }
  }

 private:
  Questions& questions_;
  Inbox& inbox_;
  const std::thread::id lane_ = std::this_thread::get_id();
};

Questions::Questions(Segment& segment, Inbox& inbox, NodePace& pace, std::shared_ptr<spdlog::logger> log,
                     Options options)
    : segment_(segment),
      inbox_(inbox),
      pace_(pace),
      log_(std::move(log)),
      options_(std::move(options)),
      posts_(segment.lane(options_.lane).posts),
      completions_(segment.lane(options_.lane).completions),
      cache_(segment),
      leases_(std::make_shared<Leases>(*this, inbox)),
      service_generation_(segment.header().service_generation.load(std::memory_order_acquire)) {}

// ---- asking ----

// Without asking, where the rank has it. Of what is long the rank lends the bytes themselves, while it lives.
// What is damaged it would not know for that, so storage is asked.
bool Questions::find(Asked& asked) {
  const auto bytes_max = rank_lives_ ? copied_bytes_max : limits::block_bytes;
  auto found = cache_.find(asked.key_, asked.have_, clock_now(), bytes_max);
  if (!found) return false;
  if (!found->value.ok()) {
    ask_directly(asked);
    return true;
  }
  count(segment_.header(), segment::FuseCounter::fuse_found);
  asked.request_.recording().answered(asked.key_, found->value);
  if (rank_lives_) post(Post{.kind = PostKind::found, .key = asked.key_});
  asked.settle(std::move(*found));  // its request may wait already: it had been asked of a former rank
  return true;
}

void Questions::ask(Asked& asked) {
  if (!asked.op_ && find(asked)) return;
  if (!rank_lives_) return ask_directly(asked);
  asked.client_ = next_client();
  asked.where_ = Asked::Where::rank;
  waiting_.emplace(asked.client_, &asked);
  if (asked.op_) {
    post(Post{.kind = PostKind::control,
              .client = asked.client_,
              .key = asked.key_,
              .op = static_cast<std::uint32_t>(*asked.op_)});
  } else {
    count(segment_.header(), segment::FuseCounter::fuse_asked);
    post(Post{.kind = PostKind::ask, .client = asked.client_, .key = asked.key_, .have = asked.have_});
  }
}

void Questions::ask_directly(Asked& asked) {
  if (asked.op_) {  // only the rank can say
    asked.answered_ = Answered{.value = Errno{ETIMEDOUT}};
    asked.where_ = Asked::Where::nowhere;
    return;
  }
  if (!direct_) {
    auto options = options_.direct;
    options.freshness = std::chrono::milliseconds{std::min<std::uint64_t>(
        segment_.header().freshness_ms.load(std::memory_order_relaxed), limits::freshness_max.count())};
    direct_ = std::make_unique<Direct>(options, pace_, [&inbox = inbox_] { inbox.ring(); });
  }
  count(segment_.header(), segment::FuseCounter::fuse_direct);
  asked.client_ = next_client();
  asked.where_ = Asked::Where::storage;
  waiting_.emplace(asked.client_, &asked);
  direct_->read(asked.key_, asked.client_, asked.request_.began(), clock_now());
}

void Questions::ask_large(Asked& asked, LargeFiles& files, Range range) {
  asked.client_ = next_client();
  asked.where_ = Asked::Where::large_file;
  waiting_.emplace(asked.client_, &asked);
  auto held = files.read(asked.key_, range, [this, client = asked.client_](const Result<Bytes>& bytes) {
    inbox_.leave([this, client, bytes] { settle(client, Answered{.value = bytes}); });
  });
  if (held) settle(asked.client_, Answered{.value = std::move(*held)});
}

void Questions::give_up(Asked& asked) {
  if (waiting_.erase(asked.client_) == 0) return;
  if (asked.where_ == Asked::Where::rank) post(Post{.kind = PostKind::cancel, .client = asked.client_});
}

// Unique while it waits: numbers come round again, and some questions wait long. Lanes take turns in them.
std::uint64_t Questions::next_client() {
  std::uint64_t client = 0;
  do {
    last_number_ += segment::lanes_max;
    client = std::uint64_t{options_.generation} << 32 | (last_number_ + options_.lane);
  } while (waiting_.contains(client));
  return client;
}

void Questions::post_mounted() { post(Post{.kind = PostKind::mounted}); }
void Questions::post_cleared(std::uint64_t number) {
  post(Post{.kind = PostKind::cleared, .client = number});
}

void Questions::post(Post post) {
  if (!unposted_.empty() || !write(post)) unposted_.push_back(std::move(post));
}

bool Questions::write(const Post& post) {
  auto* record = posts_.reserve();
  if (record == nullptr) return false;
  const auto& path = post.key.path.str();  // valid: at most limits::path_bytes long
  record->kind = post.kind;
  record->generation = options_.generation;
  record->client = post.client;
  record->block = post.block;
  record->have = post.have;
  record->version = post.key.version;
  record->number = post.kind == PostKind::control ? post.op : post.key.block;
  record->path_bytes = static_cast<std::uint16_t>(path.size());
  record->key_kind = static_cast<std::uint8_t>(post.key.kind);
  record->reserved = 0;
  std::memcpy(record->path.data(), path.data(), path.size());
  posts_.publish();
  const bool urgent =
      post.kind != PostKind::release && post.kind != PostKind::found;  // nobody waits for those
  if (urgent || posts_.half_full()) segment_.ring_service();
  return true;
}

// ---- answers ----

std::vector<Noticed> Questions::completions() {
  std::vector<Noticed> notices;
  while (const auto* front = completions_.front()) {
    const CompletionRecord record = *front;
    completions_.pop();
    if (record.generation == options_.generation) take(record, notices);
    // Before the next answer is passed on: it may be the ESTALE that a notice came ahead of.
    if (!notices.empty()) return notices;
  }
  while (auto taken = direct_ ? direct_->take(clock_now()) : std::nullopt) {
    const auto& loaded = taken->loaded;
    const auto fresh_until = after(clock_now(), loaded.fresh_for);
    for (const auto client : taken->clients) {
      settle(client, Answered{.value = loaded.value, .tag = loaded.tag, .fresh_until = fresh_until});
    }
  }
  return notices;
}

void Questions::take(const CompletionRecord& record, std::vector<Noticed>& notices) {
  auto bytes = leased(record);
  bool damaged = record.error == 0 && !bytes;
  switch (record.kind) {
    case CompletionKind::notice:
    case CompletionKind::clear: {
      // Where the path cannot be told, all that there is.
      Noticed notice{Kind::listing, "/", record.kind == CompletionKind::clear ? record.client : 0};
      std::string path(bytes ? bytes->text() : std::string_view());
      const bool is_known = record.kind == CompletionKind::clear || is_kind(record.key_kind);
      if (valid_path(path) && is_known) {
        notice.path = std::move(path);
        if (notice.clear == 0) notice.kind = static_cast<Kind>(record.key_kind);
      } else if (record.error == 0) {
        damaged = true;
      }
      if (damaged) count(segment_.header(), segment::FuseCounter::fuse_damaged);
      notices.push_back(std::move(notice));
      return;
    }
    case CompletionKind::outcome:
      break;
    default:
      count(segment_.header(), segment::FuseCounter::fuse_damaged);
      return;
  }
  damaged |= record.error < 0 || record.error > limits::errno_max;
  if (damaged) count(segment_.header(), segment::FuseCounter::fuse_damaged);
  Answered answered{.unchanged = record.unchanged != 0,
                    .tag = record.tag,
                    .fresh_until = Instant{Duration{record.fresh_until_ns}}};
  if (damaged) {
    answered.value = Errno{EIO};
  } else if (record.error != 0) {
    answered.value = Errno{record.error};
  } else {
    answered.value = std::move(*bytes);
  }
  const auto found = waiting_.find(record.client);
  if (found == waiting_.end()) return;
  // The rank has no room, or cannot reach who would know, or what it says does not hold water.
  const bool unable = damaged || record.error == ENOBUFS || record.error == number(not_carried);
  if (unable && !found->second->op_) {
    auto& asked = *found->second;
    waiting_.erase(found);
    return ask_directly(asked);
  }
  settle(record.client, std::move(answered));
}

void Questions::settle(std::uint64_t client, Answered answered) {
  const auto found = waiting_.find(client);
  if (found == waiting_.end()) return;
  auto& asked = *found->second;
  waiting_.erase(found);
  const bool of_the_rank = !asked.op_ && asked.where_ != Asked::Where::large_file;
  if (of_the_rank) asked.request_.recording().answered(asked.key_, answered.value);
  asked.settle(std::move(answered));
}

// The bytes that the completion carries, with their lease; nothing where the record does not hold water.
std::optional<Bytes> Questions::leased(const CompletionRecord& record) {
  if (record.error != 0) return std::nullopt;
  if (record.bytes == 0) return Bytes();
  const auto block = arena_block(segment_, record.block);
  if (!block) return std::nullopt;
  const auto begin =
      segment::data_offset(reinterpret_cast<const segment::BlockHeader*>(block->data())->path_bytes);
  if (begin > block->size() || record.bytes > block->size() - begin) return std::nullopt;
  const std::shared_ptr<const std::byte> data(
      block->data() + begin,
      [leases = leases_, offset = record.block](const std::byte*) { leases->end(offset); });
  return Bytes(data, record.bytes);
}

// ---- the rank's life ----

std::optional<Instant> Questions::watch_due(Instant now) const {
  if (!unposted_.empty()) return now + retry_period;
  if (waiting_.empty()) return std::nullopt;
  const auto direct = direct_ ? direct_->due(now) : std::nullopt;
  return std::min(direct.value_or(Instant::max()), now + SignsOfLife::look_period);
}

void Questions::watch(Instant now) {
  const auto generation = segment_.header().service_generation.load(std::memory_order_acquire);
  const bool another = generation != service_generation_;
  service_generation_ = generation;
  auto& lane = segment_.lane(options_.lane);
  if (another) completions_ = CompletionConsumer(lane.completions);
  // Nothing comes over a damaged ring, whoever lives at its other end.
  const bool damaged = !plausible(lane.posts) || !plausible(lane.completions);
  const bool lives =
      !damaged && signs_.look(segment_.header().service_alive_ns.load(std::memory_order_relaxed), now);
  if (lives != rank_lives_) {
    if (damaged) count(segment_.header(), segment::FuseCounter::fuse_damaged);
    log_->warn("{}", lives     ? "the rank answers again"
                     : damaged ? "the rings in shared memory are damaged: reading storage directly"
                               : "the rank shows no sign of life: reading storage directly");
    rank_lives_ = lives;
  }
  if (another || !lives) {
    unposted_.erase(std::remove_if(unposted_.begin(), unposted_.end(),
                                   [](const Post& post) {
                                     return post.kind != PostKind::release &&
                                            post.kind != PostKind::cleared && post.kind != PostKind::mounted;
                                   }),
                    unposted_.end());
    std::vector<std::uint64_t> lost;
    for (const auto& [client, asked] : waiting_) {
      if (asked->where_ == Asked::Where::rank) lost.push_back(client);
    }
    for (const auto client : lost) {
      const auto found = waiting_.find(client);
      if (found == waiting_.end()) continue;  // went with the end of another one
      auto& asked = *found->second;
      waiting_.erase(found);
      if (lives) {
        ask(asked);
      } else if (asked.op_) {
        asked.settle(Answered{.value = Errno{ETIMEDOUT}});
      } else {
        ask_directly(asked);
      }
    }
    if (another && options_.lane == 0) post_mounted();
  }
  while (!unposted_.empty() && write(unposted_.front())) unposted_.pop_front();
  if (direct_) direct_->go_on(now);
  tell_slow(now);
}

// What the front end waits for by itself; what the rank waits for is in the rank's log.
void Questions::tell_slow(Instant now) {
  if (now < next_tale_) return;
  next_tale_ = now + slow_after;
  std::size_t shown = 0;
  for (const auto& [client, asked] : waiting_) {
    if (asked->where_ == Asked::Where::rank || now - asked->since_ < slow_after) continue;
    if (++shown > slow_shown) return;
    log_->warn("{} has been awaited for {} s, from storage, without the rank", describe(asked->key_),
               (now - asked->since_) / std::chrono::seconds{1});
  }
}

// ---- one question ----

Asked::Asked(Questions& questions, Request& request, Key key, Tag have)
    : questions_(questions), request_(request), key_(std::move(key)), have_(have), since_(clock_now()) {
  questions_.ask(*this);
}

Asked::Asked(Questions& questions, Request& request, ControlOp op, Path path)
    : questions_(questions), request_(request), op_(op), key_{.path = std::move(path)}, since_(clock_now()) {
  questions_.ask(*this);
}

Asked::Asked(Questions& questions, Request& request, LargeFiles& files, Key key, Range range)
    : questions_(questions), request_(request), key_(std::move(key)), since_(clock_now()) {
  questions_.ask_large(*this, files, range);
}

Asked::~Asked() { questions_.give_up(*this); }

bool Asked::await_suspend(std::coroutine_handle<> waiter) {
  if (!request_.waits_for(*this)) {
    answered_ = Answered{.value = Errno{EINTR}};
    request_.waits_no_more();
    return false;
  }
  waiter_ = waiter;
  return true;
}

Answered Asked::await_resume() {
  questions_.give_up(*this);  // where EINTR came first
  return std::move(*answered_);
}

void Asked::settle(Answered answered) {
  where_ = Where::nowhere;
  answered_ = std::move(answered);
  if (!waiter_) return;
  request_.waits_no_more();
  std::exchange(waiter_, nullptr).resume();
}

void Asked::interrupted() {
  questions_.give_up(*this);
  settle(Answered{.value = Errno{EINTR}});
}

}  // namespace copper
