// Foreign and damaged messages, sent by hand on the transport's own communicators, harm nothing: each is
// counted, the first of each kind is told with its sender, and what is said before and after arrives. The
// program stands between the transport and MPI (the profiling interface) to know the communicators and to
// damage a header on its way out.
#include <algorithm>
#include <list>
#include <map>
#include <vector>

#include "service/mpi/api.h"
#include "test/mpi/harness.h"
#include "tree/limits.h"

namespace {

struct Tap {
  std::vector<MPI_Comm> communicators;  // as duplicated: of each tree control, then bulk
  bool damage_next_header = false;
  std::list<std::vector<std::byte>> damaged;  // MPI may still hold them
};
Tap tap;

}  // namespace

extern "C" int MPI_Comm_dup(MPI_Comm from, MPI_Comm* to) {
  const int code = PMPI_Comm_dup(from, to);
  tap.communicators.push_back(*to);
  return code;
}

extern "C" int MPI_Isend(const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
                         MPI_Request* request) {
  if (tap.damage_next_header && comm == tap.communicators[0]) {
    tap.damage_next_header = false;
    const auto* bytes = static_cast<const std::byte*>(data);
    auto& copy = tap.damaged.emplace_back(bytes, bytes + count);
    copy[copy.size() / 2] ^= std::byte{4};
    data = copy.data();
  }
  return PMPI_Isend(data, count, type, to, tag, comm, request);
}

namespace copper {
namespace {

constexpr std::uint32_t trees = 2;
constexpr std::size_t segments = 3;
constexpr std::size_t block_size = segments * limits::segment_bytes;

class Test {
 public:
  explicit Test(MpiJob& job)
      : job_(job),
        topology_(job.size(), {}, trees),
        transport_(job, topology_, memory_, counters_,
                   [this](const std::string& line) { said_ += line + "\n"; }),
        sender_(job.size() > 1 ? 1 : 0) {
    for (std::uint32_t n = 0; paths_.size() < trees; ++n) {
      const auto directory = "/d" + std::to_string(n);
      if (number(topology_.tree_of(Key::listing(directory))) == paths_.size())
        paths_.push_back(directory + "/f");
    }
  }

  [[noreturn]] void run() {
    if (job_.rank() == sender_) {
      unreadable_messages();
      message_in_another_tree();
      header_damaged_before_segments();
      if (has_strays()) stray_segments();
      transport_.send(Rank{0}, Ask{.key = the_end});
    }
    if (job_.rank() == 0) {
      while (!ended_) hear();
      const auto damaged = counters_[Counter::messages_damaged];
      expect(job_, damaged == 6 + 1 + 1 + (has_strays() ? 3 : 0),
             std::to_string(damaged) + " messages were counted as damaged");
      expect(job_, std::ranges::count(said_, '\n') == (has_strays() ? 4 : 2),
             "not one line for each kind: " + said_);
      const auto who = "rank " + std::to_string(sender_);
      expect(job_, said_.find(who) != std::string::npos, "it does not say who: " + said_);
    }
    while (transport_.sending()) transport_.progress();
    expect(job_, !transport_.bulk_outstanding(), "payloads are under way after all");
    finish(job_, transport_);
  }

 private:
  // MPICH does not keep the order of what a rank sends to itself, which the transport never does.
  bool has_strays() const { return job_.size() > 1; }

  // ---- the sender ----

  void raw(std::span<const std::byte> bytes, MPI_Comm comm, int tag) {
    auto& copy = raw_.emplace_back(bytes.begin(), bytes.end());
    MPI_Request request = MPI_REQUEST_NULL;
    mpi_check(PMPI_Isend(copy.data(), static_cast<int>(copy.size()), MPI_BYTE, 0, tag, comm, &request),
              "MPI_Isend");
    MPI_Request_free(&request);
  }

  std::vector<std::byte> encoded(std::size_t tree) {
    std::vector<std::byte> bytes;
    encode(Ask{.key = Key::entry(paths_[tree])}, 0, bytes);
    return bytes;
  }

  void unreadable_messages() {
    const auto control = tap.communicators[0];
    for (const std::size_t at :
         {std::size_t{0}, std::size_t{4}, encoded(0).size() - 1}) {  // magic, version, checksum
      auto changed = encoded(0);
      changed[at] ^= std::byte{1};
      raw(changed, control, 0);
    }
    const auto bytes = encoded(0);
    raw(std::span(bytes).first(20), control, 0);
    raw({}, control, 0);  // nothing
    raw(std::vector<std::byte>(limits::message_bytes + 1000), control, 0);
    settle({});
  }

  void message_in_another_tree() {
    raw(encoded(1), tap.communicators[0], 0);
    settle({});
  }

  void header_damaged_before_segments() {
    settle({true});
    tap.damage_next_header = true;
    send_block();
    expect(job_, !tap.damage_next_header, "the header was not damaged");
    settle({true, true});  // with the next stream the segments are thrown away: everything leaves
  }

  // In place of the first segment of the stream that comes next.
  void stray_segments() {
    const auto bulk = tap.communicators[1];
    for (const std::size_t size :
         {limits::segment_bytes, limits::segment_bytes / 2, limits::segment_bytes + 10}) {
      raw(std::vector<std::byte>(size), bulk, static_cast<int>(streams_ + 1));
      // It is there before the segments, since between two ranks MPI keeps the order within a communicator.
      settle({false});
      settle({true, true});
    }
  }

  void send_block() {
    ++streams_;
    const auto bytes = pattern(block_size, streams_);
    transport_.send(Rank{0}, Answer{.key = Key::file_block(paths_[0], streams_, {}),
                                    .value = bytes,
                                    .tag = tag_of(bytes.span()),
                                    .fresh_for = for_the_job});
  }

  // Sends blocks, of which those that are true are to come whole; and waits until the other side says so, and
  // everything has left.
  void settle(const std::vector<bool>& blocks) {
    verdicts_.clear();
    std::map<std::uint32_t, bool> expected;
    for (const bool good : blocks) {
      send_block();
      expected[streams_] = good;
    }
    transport_.send(Rank{0}, Ask{.key = Key::entry(paths_[0]), .have = ++step_});
    while (verdicts_.size() < expected.size() || echoed_ != step_ || transport_.sending()) hear();
    expect(job_, verdicts_ == expected,
           "step " + std::to_string(step_) + ": blocks came otherwise than sent");
  }

  // ---- both: the listener answers, the sender hears it ----

  void hear() {
    const auto received = transport_.receive();
    if (!received) return;
    if (const auto* answer = std::get_if<Answer>(&received->message)) {
      if (!answer->arrival) judge(*answer);
      return;
    }
    const auto& ask = std::get<Ask>(received->message);
    if (ask.key == the_end) {
      ended_ = true;
    } else if (ask.key.kind == Kind::block) {
      verdicts_[ask.key.block] = ask.have == 1;
    } else if (ask.key.kind == Kind::listing) {
      echoed_ = ask.have;
    } else {
      transport_.send(Rank{sender_}, Ask{.key = Key::listing(paths_[0]), .have = ask.have});
    }
  }

  void judge(const Answer& answer) {
    const bool good = answer.value.ok();
    expect(job_, !good || answer.value->text() == pattern(block_size, answer.key.block).text(),
           "a block has other bytes");
    transport_.send(Rank{sender_}, Ask{.key = answer.key, .have = good ? 1u : 0u});
  }

  inline static const Key the_end = Key::filesystem("/");

  MpiJob& job_;
  Topology topology_;
  HeapMemory memory_;
  Counters counters_;
  std::string said_;
  MpiTransport transport_;
  std::uint32_t sender_;
  std::vector<std::string> paths_;  // of each tree one
  std::list<std::vector<std::byte>> raw_;
  std::uint32_t streams_ = 0;
  std::uint64_t step_ = 0;
  std::uint64_t echoed_ = 0;
  std::map<std::uint32_t, bool> verdicts_;  // by block: it came whole
  bool ended_ = false;
};

}  // namespace
}  // namespace copper

int main(int argc, char** argv) {
  return copper::run_test([&] {
    copper::MpiJob job(argc, argv);
    copper::Test(job).run();
  });
}
