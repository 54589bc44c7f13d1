// What a front end reads that its rank writes: completions, block headers, ring indices, header. Whatever it
// reads, each question is answered once, with bytes of the arena or an error. Input: steps; a completion is
// as in segment/layout.h; the last bits of each step's first byte say what it is.
//
// Storage is played here: see the end.
#include <spdlog/sinks/null_sink.h>

#include <deque>

#include "fuse_frontend/async.h"
#include "fuse_frontend/rank/questions.h"
#include "test/fuzz/fuzz_segment.h"

namespace copper {
namespace {

using segment::CompletionRecord;

class Rig {
 public:
  explicit Rig(Segment& segment)
      : segment_(segment),
        slots_(segment.slots().first(64)),
        questions_(segment, inbox_, pace_, log_, {.lane = 0, .generation = 1, .direct = {}}) {}

  void step(std::uint8_t what, FuzzInput& input) {
    auto& header = segment_.header();
    auto& lane = segment_.lane(0);
    switch (what % 8) {
      case 0:
        ask(what);
        break;
      case 1:
      case 2:
        complete(what, input);
        break;
      case 3:
        write_block(what, input);
        break;
      case 4:
        if (what >= 128) header.arena_bytes_committed = input.take<std::uint64_t>();
        header.service_alive_ns = what;
        if (what < 32) ++header.service_generation;
        header.freshness_ms = input.take<std::uint64_t>();
        break;
      case 5:
        questions_.watch(now_ += std::chrono::milliseconds(what));
        break;
      case 6:
        (what >= 192   ? lane.posts.head
         : what >= 128 ? lane.posts.tail
         : what >= 64  ? lane.completions.head
                       : lane.completions.tail) = input.take<std::uint64_t>();
        break;
      case 7:
        if (!bytes_.empty()) bytes_.erase(bytes_.begin() + what % static_cast<std::ptrdiff_t>(bytes_.size()));
        break;
    }
    take();
  }

  // The rank falls silent: whoever still waits is answered by storage.
  void end() {
    segment_.header().arena_bytes_committed = fuzz_arena_bytes;
    for (int n = 0; n < 30; ++n) {
      questions_.watch(now_ += std::chrono::milliseconds(200));
      take();
    }
    must(answered_ == asked_, "each question is answered");
    bytes_.clear();
  }

 private:
  Task wait(Request request, Key key, Tag have) {
    Asked asked(questions_, request, std::move(key), have);
    auto answered = co_await asked;
    ++answered_;
    if (!answered.value.ok()) {
      const auto error = number(answered.value.error());
      must(error > 0 && error <= limits::errno_max, "an error is one");
      request.error(answered.value.error());
      co_return;
    }
    const auto arena = segment_.arena();
    const auto& bytes = *answered.value;
    must(bytes.size() == 0 ||
             (bytes.data() >= arena.data() && bytes.size() <= arena.size() &&
              bytes.data() - arena.data() <= static_cast<std::ptrdiff_t>(arena.size() - bytes.size())),
         "bytes lie in the arena");
    touch(bytes.span());
    bytes_.push_back(bytes);
    request.bytes({});
  }

  void ask(std::uint8_t what) {
    const auto slot = slots_.take();
    if (!slot) return;
    ++asked_;
    const Key key = what < 64    ? Key::entry("/lib/a.so")
                    : what < 128 ? Key::listing("/lib")
                                 : Key::file_block("/lib/a.so", what, {.size = 1 << 30});
    wait(Request(nullptr, *slot,
                 {slots_, inbox_, segment_.header(), segment_.header().fuse_latencies[0].operations[0]}, {},
                 0),
         key, what % 16);
  }

  void complete(std::uint8_t what, FuzzInput& input) {
    auto& ring = segment_.lane(0).completions;
    auto record = input.take<CompletionRecord>();
    if (what < 192) record.generation = 1;
    if (what < 128) {  // numbers as Questions gives them
      record.client = std::uint64_t{1} << 32 | segment::lanes_max * (1 + record.client % 32);
    }
    if (what < 64) record.block = record.block % 64 * segment::block_alignment;
    ring.records[ring.tail % segment::completions_per_lane] = record;
    ++ring.tail;
  }

  void write_block(std::uint8_t what, FuzzInput& input) {
    const auto offset = input.take<std::uint16_t>() % (fuzz_arena_bytes / segment::block_alignment / 2) *
                        segment::block_alignment;
    const auto bytes = input.bytes(input.byte());
    std::memcpy(segment_.arena().data() + offset, bytes.data(), bytes.size());
    if (what < 128)
      reinterpret_cast<segment::BlockHeader*>(segment_.arena().data() + offset)->magic = segment::block_magic;
  }

  void take() {
    inbox_.run();
    for (int n = 0; n < 10'000; ++n) {
      const auto notices = questions_.completions();
      if (notices.empty()) break;
      for (const auto& notice : notices) {
        must(valid_path(notice.path), "a notice is of a valid path");
        must(notice.kind >= Kind::listing && notice.kind <= Kind::filesystem, "and of a kind");
      }
    }
    auto& ring = segment_.lane(0).posts;  // a rank that reads all
    ring.head = ring.tail.load();
  }

  Segment& segment_;
  const std::shared_ptr<spdlog::logger> log_ =
      std::make_shared<spdlog::logger>("none", std::make_shared<spdlog::sinks::null_sink_mt>());
  Inbox inbox_;
  NodePace pace_{1000, segment_.header().ranks};
  Slots slots_;
  std::deque<Bytes> bytes_;
  Questions questions_;
  Instant now_{std::chrono::seconds(100)};
  std::size_t asked_ = 0;
  std::size_t answered_ = 0;
};

}  // namespace

// Storage that fails at once.
Direct::Direct(const DirectOptions&, NodePace& pace, std::function<void()> wake)
    : storage_({}, memory_, std::move(wake)), pace_(pace) {}
void Direct::go_on(Instant) {}
std::optional<Instant> Direct::due(Instant) { return std::nullopt; }
void Direct::read(const Key& key, std::uint64_t client, std::uint64_t, Instant) {
  waiting_[key].clients.push_back(client);
}
std::optional<Direct::Taken> Direct::take(Instant) {
  if (waiting_.empty()) return std::nullopt;
  const auto first = waiting_.begin();
  Taken taken{{.key = first->first, .value = Errno{EIO}}, std::move(first->second.clients)};
  waiting_.erase(first);
  return taken;
}

}  // namespace copper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return copper::fuzz_steps<copper::Rig>(data, size);
}
