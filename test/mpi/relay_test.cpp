// Cut-through: a block goes down a chain of all ranks, each forwarding what it is still receiving. The first
// one has no more of it than it has sent: it gets the next segment when the last rank says that it has all
// before. So a rank that waited for the whole would wait for ever. Then the same with a wrong checksum: every
// rank finds out, and nobody is stuck.
#include "test/mpi/harness.h"
#include "tree/limits.h"

namespace copper {
namespace {

constexpr std::size_t size = 2 * limits::segment_bytes + 12'345;

Key key(std::uint32_t n) { return Key::file_block("/file", n, {}); }

class Relay {
 public:
  Relay(const MpiJob& job, MpiTransport& transport)
      : job_(job), transport_(transport), is_last_(job.rank() + 1 == job.size()) {}

  // The block from rank 0 to the last, `tag` told with it. Its outcome here.
  Result<Bytes> pass(std::uint32_t n, const Bytes& bytes, Tag tag) {
    if (job_.rank() == 0) return feed(n, bytes, tag);
    std::shared_ptr<const Arrival> arrival;
    std::size_t told = 0;
    while (true) {
      auto received = transport_.receive();
      if (arrival && is_last_ && arrival->arrived() > told) {
        told = arrival->arrived();
        transport_.send(Rank{0}, Ask{.key = key(n), .have = told});
      }
      if (!received) continue;
      auto& answer = std::get<Answer>(received->message);
      expect(job_, answer.key == key(n), "another block came");
      if (!answer.arrival) {
        expect(job_, arrival != nullptr, "a block came unannounced");
        return std::move(answer.value);
      }
      arrival = answer.arrival;
      if (!is_last_) {
        if (!arrival->complete()) ++forwarded_while_arriving;
        transport_.send(Rank{job_.rank() + 1}, answer);
      }
    }
  }

  std::uint32_t forwarded_while_arriving = 0;

 private:
  Result<Bytes> feed(std::uint32_t n, const Bytes& bytes, Tag tag) {
    HeapMemory heap;
    const auto room = *heap.allocate(key(n), bytes.size());
    const auto arrival = std::make_shared<Arrival>(room);
    transport_.send(Rank{1},
                    Answer{.key = key(n), .value = Bytes{}, .tag = tag, .fresh_for = {}, .arrival = arrival});
    while (!arrival->complete()) {
      const auto from = arrival->arrived();
      const auto more = std::min(limits::segment_bytes, arrival->rest().size());
      std::copy_n(bytes.data() + from, more, arrival->rest().data());
      arrival->advance(more);
      while (true) {
        const auto received = transport_.receive();
        if (!received) continue;
        expect(job_, std::get<Ask>(received->message).have == from + more, "the last rank has another part");
        break;
      }
    }
    return Bytes(room.owner(), room.size());
  }

  const MpiJob& job_;
  MpiTransport& transport_;
  bool is_last_;
};

[[noreturn]] void run(int argc, char** argv) {
  MpiJob job(argc, argv);
  const Topology topology(job.size(), {}, 2);
  HeapMemory memory;
  Counters counters;
  std::string said;
  MpiTransport transport(job, topology, memory, counters, [&](const std::string& line) { said += line; });
  if (job.size() > 1) {
    Relay relay(job, transport);
    const auto bytes = pattern(size, 1);
    const auto tag = tag_of(bytes.span());
    for (std::uint32_t n = 0; n < 20; ++n) {
      const auto came = relay.pass(n, bytes, tag);
      expect(job, came.ok() && came->text() == bytes.text(), "the block has other bytes");
    }
    const bool forwards = job.rank() > 0 && job.rank() + 1 < job.size();
    expect(job, relay.forwarded_while_arriving == (forwards ? 20 : 0),
           "a block was whole when it was forwarded");
    expect(job, counters[Counter::messages_damaged] == 0, "a message was damaged: " + said);
    const auto wrong = relay.pass(20, bytes, tag + 1);
    expect(job, job.rank() == 0 || !wrong.ok(), "a wrong checksum was believed");
    expect(job, counters[Counter::messages_damaged] == (job.rank() == 0 ? 0 : 1),
           "a wrong checksum was not counted");
    expect(job, said.empty() == (job.rank() == 0), "a wrong checksum was not told");
    expect(job, relay.pass(21, bytes, tag).ok(), "after a damaged block nothing comes");
  }
  while (transport.sending()) transport.progress();
  finish(job, transport);
}

}  // namespace
}  // namespace copper

int main(int argc, char** argv) {
  return copper::run_test([&] { copper::run(argc, argv); });
}
