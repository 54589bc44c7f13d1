// What a rank reads that its front end writes: posts, ring indices, header. Input: steps; a post is as in
// segment/layout.h up to its path, then the path; the last bits of each step's first byte say what it is.
#include <map>

#include "service/arena.h"
#include "service/ring_clients.h"
#include "test/fuzz/fuzz_segment.h"

namespace copper {
namespace {

using segment::CompletionRecord;
using segment::PostRecord;

class ArenaMemory final : public Memory {
 public:
  explicit ArenaMemory(Arena& arena) : arena_(arena) {}
  std::optional<Buffer> allocate(const Key& key, std::size_t size) override {
    return arena_.allocate(key, size);
  }
  Bytes seal(Buffer buffer, Tag tag) override { return arena_.seal(std::move(buffer), tag); }

 private:
  Arena& arena_;
};

class Rig {
 public:
  explicit Rig(Segment& segment)
      : segment_(segment), arena_(segment), memory_(arena_), clients_(segment, arena_, memory_, counters_) {}

  void step(std::uint8_t what, FuzzInput& input) {
    auto& header = segment_.header();
    auto& lane = segment_.lane(0);
    switch (what % 8) {
      case 0:
      case 1:
      case 2:
        post(what, input);
        break;
      case 3:
        reply(what, input);
        break;
      case 4:
        if (what >= 128) {
          clients_.notice(Key::listing("/lib"));
        } else {
          clients_.clear("/lib", what);
        }
        break;
      case 5:
        header.worker_generation = header.worker_generation + (what >= 128 ? input.take<std::uint32_t>() : 1);
        header.mount_state = what / 8 % 4;
        break;
      case 6:
        (what >= 192   ? lane.posts.head
         : what >= 128 ? lane.posts.tail
         : what >= 64  ? lane.completions.head
                       : lane.completions.tail) = input.take<std::uint64_t>();
        break;
      case 7:
        consume(what >= 128);
        break;
    }
    for (int n = 0; n < 300; ++n) {
      const auto event = clients_.event();
      if (!event) break;
      take(*event);
    }
  }

  void end() {
    waiting_.clear();
    bytes_.clear();
    auto& header = segment_.header();
    header.mount_state = 0;
    for (int worker = 0; worker < 2; ++worker) {  // the first one is told of clears that are not done
      header.worker_generation = header.worker_generation + 1;
      while (clients_.event()) {
      }
    }
    must(arena_.used() == 0, "with its worker all leases end");
    Arena again(segment_);
    must(again.scan([](const Key&, const Bytes&, Tag) {}) == 0, "and the chain is whole");
  }

 private:
  void post(std::uint8_t what, FuzzInput& input) {
    auto& ring = segment_.lane(0).posts;
    auto& record = ring.records[ring.tail % segment::posts_per_lane];
    const auto fields = input.bytes(offsetof(PostRecord, path));
    std::memcpy(static_cast<void*>(&record), fields.data(), fields.size());
    const auto path = input.bytes(std::min<std::size_t>(record.path_bytes, record.path.size()));
    std::memcpy(record.path.data(), path.data(), path.size());
    const auto generation = segment_.header().worker_generation.load();
    if (what < 192) record.generation = generation;
    if (what < 128) record.client = std::uint64_t{generation} << 32 | (record.client & 0xff);
    if (what < 64 && last_block_) record.block = *last_block_;
    ++ring.tail;
  }

  void take(const Event& event) {
    if (const auto* question = std::get_if<Question>(&event)) {
      must(valid(question->key), "a question is of a valid key");
      must(waiting_.emplace(question->client, false).second, "a client has one question");
    } else if (const auto* control = std::get_if<Control>(&event)) {
      must(control->op >= ControlOp::status && control->op <= ControlOp::clear, "a control is one of three");
      must(control->op != ControlOp::clear || valid_path(control->path), "a clear is of a valid path");
      must(waiting_.emplace(control->client, true).second, "a client has one question");
    } else if (const auto* cancel = std::get_if<Cancel>(&event)) {
      must(waiting_.erase(cancel->client) == 1, "who cancels waited");
    } else if (std::holds_alternative<WorkerGone>(event)) {
      waiting_.clear();
    }
  }

  void reply(std::uint8_t what, FuzzInput& input) {
    if (waiting_.empty()) return;
    const auto [client, control] = *waiting_.begin();
    waiting_.erase(waiting_.begin());
    const auto text = input.text(input.byte() * 8u);
    if (control) return clients_.reply_control(client, std::string(text));
    Reply reply{.client = client, .unchanged = what >= 192, .outcome = {}};
    if (what >= 128) {
      reply.outcome.value = Errno{ENOENT};
    } else if (auto bytes = arena_.copy(text)) {
      if (bytes_.size() < 20) bytes_.push_back(*bytes);
      reply.outcome.value = std::move(*bytes);
    }
    clients_.reply(reply, {});
  }

  // As a front end would: and ends the lease.
  void consume(bool release) {
    auto& ring = segment_.lane(0).completions;
    if (ring.tail - ring.head == 0 || ring.tail - ring.head > segment::completions_per_lane) return;
    const auto& record = ring.records[ring.head % segment::completions_per_lane];
    ++ring.head;
    if (record.error == 0 && record.bytes > 0) last_block_ = record.block;
    if (release && !bytes_.empty()) bytes_.erase(bytes_.begin());
  }

  Segment& segment_;
  Counters counters_;
  Arena arena_;
  ArenaMemory memory_;
  RingClients clients_;
  std::map<Client, bool> waiting_;  // true: for a control's answer
  std::vector<Bytes> bytes_;        // that the rank keeps
  std::optional<std::uint64_t> last_block_;
};

}  // namespace
}  // namespace copper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return copper::fuzz_steps<copper::Rig>(data, size);
}
