// How fast a file reaches all ranks from one, against MPI_Bcast of the same bytes to the same ranks in the
// same run: rounds of both, alternating; medians and their ratio. By hand: see test/bench/README.md.
//
// The product's node, engine and transport; the front ends read the file block by block, a window of blocks
// at a time; storage has it in memory. The product's bytes lie in huge pages, as in an arena; MPI_Bcast's in
// what its user would have, the C++ library's memory, or in the same (--same-memory).
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <optional>
#include <vector>

#include "service/mpi/api.h"
#include "service/mpi/job.h"
#include "service/mpi/transport.h"
#include "service/segment/file_descriptor.h"
#include "service/segment/mapping.h"
#include "tree/engine.h"
#include "tree/flow/outbox.h"
#include "tree/limits.h"
#include "tree/node/sharing.h"

namespace copper {
namespace {

struct Settings {
  std::size_t mib = 256;
  std::uint32_t rounds = 5;
  std::uint32_t window = 8;
  std::uint32_t fanout = Fanouts{}.bulk;
  std::uint32_t control_fanout = Fanouts{}.control;
  std::string publish = "auto";
  std::size_t segment_kib = limits::segment_bytes >> 10;
  double spin_us = 20;
  std::size_t in_flight_mib = limits::payload_bytes_in_flight >> 20;
  bool same_memory = false;
};

// The file, in one piece of memory that stays: what is received goes where it belongs.
class File final : public Memory {
 public:
  explicit File(std::size_t blocks) : blocks_(blocks) {
    const FileDescriptor file(::memfd_create("file", MFD_CLOEXEC));
    if (::ftruncate(file.get(), static_cast<off_t>(size())) != 0) throw std::runtime_error("no memory");
    memory_ = std::make_shared<Mapping>(file.get(), size());
    if (!*memory_) throw std::runtime_error("no memory");
    memory_->take_huge_pages(file.get(), {data(), size()});
    memory_->about_to_write({data(), size()});
  }

  std::byte* data() { return memory_->data(); }
  std::size_t size() const { return blocks_ * limits::block_bytes; }
  Bytes block(std::uint32_t n) const { return {at(n), limits::block_bytes}; }

  std::optional<Buffer> allocate(const Key& key, std::size_t size) override {
    return Buffer(at(key.block), size);
  }
  Bytes seal(Buffer buffer, Tag) override { return {buffer.owner(), buffer.size()}; }

 private:
  std::shared_ptr<std::byte> at(std::uint32_t n) const {
    return {memory_, memory_->data() + n * limits::block_bytes};
  }
  std::size_t blocks_;
  std::shared_ptr<Mapping> memory_;
};

// The front end of a rank: reads the file front to back, a window of blocks at a time.
class Reader final : public Clients {
 public:
  explicit Reader(const Settings& settings)
      : window_(settings.window), blocks_(static_cast<std::uint32_t>(settings.mib)), whole_(blocks_) {}

  void begin(std::uint64_t round) {
    round_ = round;
    asked_ = whole_ = 0;
  }
  bool done() const { return whole_ == blocks_; }

  std::optional<Event> event() override {
    if (asked_ == blocks_ || asked_ == whole_ + window_ || done()) return std::nullopt;
    const auto n = asked_++;
    return Question{Client{n}, Key::file_block("/file", n, Version{.inode = round_})};
  }
  void reply(const Reply& reply, Instant) override {
    if (!reply.outcome.value.ok()) throw std::runtime_error("a block could not be read");
    ++whole_;
  }
  void reply_control(Client, const std::string&) override {}
  void clear(const Path&, std::uint64_t) override {}
  void notice(const Key&) override {}

 private:
  std::uint32_t window_;
  std::uint32_t blocks_;
  std::uint64_t round_ = 0;
  std::uint32_t asked_ = 0;
  std::uint32_t whole_;
};

// Has the file in memory, with its blocks' tags: what storage readers would do costs nothing here.
class Ready final : public Storage {
 public:
  explicit Ready(const File& file) : file_(file) {
    for (std::uint32_t n = 0; n < file.size() / limits::block_bytes; ++n)
      tags_.push_back(tag_of(file.block(n).span()));
  }
  void load(Load load) override { loads_.push_back(load.key); }
  std::optional<Loaded> loaded() override {
    if (loads_.empty()) return std::nullopt;
    const auto key = loads_.front();
    loads_.pop_front();
    return Loaded{
        .key = key, .value = file_.block(key.block), .tag = tags_[key.block], .fresh_for = for_the_job};
  }

 private:
  const File& file_;
  std::vector<Tag> tags_;
  std::deque<Key> loads_;
};

Instant now() { return Instant{std::chrono::nanoseconds(static_cast<std::int64_t>(MPI_Wtime() * 1e9))}; }

// Seconds until every rank has everything.
double time_tree(const MpiJob& job, Engine& engine, Reader& reader, MpiTransport& transport,
                 std::uint64_t round, Duration spin) {
  MPI_Barrier(job.ranks().communicator);
  const double begin = MPI_Wtime();
  reader.begin(round);
  MPI_Request barrier = MPI_REQUEST_NULL;
  bool arrived = false;
  auto active = now();
  for (int all = 0; all == 0;) {
    const auto instant = now();
    if (engine.turn(instant) > 0) {
      active = instant;
    } else if (instant - active > spin) {
      ::sched_yield();
    }
    if (!arrived && reader.done() && !transport.sending() && !transport.bulk_outstanding()) {
      arrived = true;
      MPI_Ibarrier(job.ranks().communicator, &barrier);
    }
    if (arrived) MPI_Test(&barrier, &all, MPI_STATUS_IGNORE);
  }
  return MPI_Wtime() - begin;
}

double time_bcast(const MpiJob& job, std::span<std::byte> bytes) {
  MPI_Barrier(job.ranks().communicator);
  const double begin = MPI_Wtime();
  mpi_check(MPI_Bcast(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, 0, job.ranks().communicator),
            "MPI_Bcast");
  MPI_Barrier(job.ranks().communicator);
  return MPI_Wtime() - begin;
}

PublishPolicy policy(const std::string& name) {
  for (const auto& [known, policy] : publish_policies())
    if (known == name) return policy;
  return PublishPolicy::automatic;
}

double median(std::vector<double> of) {
  std::ranges::nth_element(of, of.begin() + static_cast<std::ptrdiff_t>(of.size() / 2));
  return of[of.size() / 2];
}

[[noreturn]] void run(int argc, char** argv) {
  Settings settings;
  CLI::App app("A file to all ranks over the bulk tree, against MPI_Bcast.", "bulk_bench");
  app.add_option("--mib", settings.mib, "Size of the file")->check(CLI::Range(1, 1024));
  app.add_option("--rounds", settings.rounds)->check(CLI::Range(1, 1000));
  app.add_option("--window", settings.window, "Blocks asked for at a time")->check(CLI::Range(1, 1024));
  app.add_option("--bulk-fanout", settings.fanout)->check(CLI::Range(1u, limits::fanout_max));
  app.add_option("--fanout", settings.control_fanout)->check(CLI::Range(1u, limits::fanout_max));
  app.add_option("--publish", settings.publish)->check(CLI::IsMember({"all", "asked", "auto"}));
  app.add_option("--spin-us", settings.spin_us, "Before yielding, as service/idle does");
  app.add_option("--segment-kib", settings.segment_kib)->check(CLI::Range(16, 1024));
  app.add_option("--in-flight-mib", settings.in_flight_mib)->check(CLI::Range(1, 64));
  app.add_flag("--same-memory", settings.same_memory, "MPI_Bcast too has its bytes in huge pages");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  MpiJob job(argc, argv);
  File file(settings.mib);
  if (job.rank() == 0)
    for (std::size_t i = 0; i < file.size(); ++i) file.data()[i] = static_cast<std::byte>(i * 31 + (i >> 12));
  std::vector<std::byte> plain(settings.same_memory ? 0 : file.size(), std::byte{1});
  const std::span<std::byte> theirs = settings.same_memory ? std::span(file.data(), file.size()) : plain;
  Ready storage(file);
  const Topology topology(job.size(), {.control = settings.control_fanout, .bulk = settings.fanout}, 1);
  Node node(Rank{job.rank()}, topology, {.store_bytes = file.size(), .publish = policy(settings.publish)});
  MpiTransport transport(
      job, topology, file, node.counters(),
      [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); },
      {.bytes_in_flight = settings.in_flight_mib << 20, .segment_bytes = settings.segment_kib << 10});
  Reader reader(settings);
  Engine engine(node, transport, storage, reader, [](auto...) { return std::string(); });
  const auto spin =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::micro>(settings.spin_us));

  std::vector<double> tree;
  std::vector<double> bcast;
  for (std::uint32_t round = 0; round <= settings.rounds; ++round) {  // the first one warms up
    const auto tree_s = time_tree(job, engine, reader, transport, round, spin);
    const auto bcast_s = time_bcast(job, theirs);
    if (round == 0) continue;
    tree.push_back(tree_s);
    bcast.push_back(bcast_s);
  }
  const auto rounds = settings.rounds + 1;
  if (job.rank() == 0) {
    const auto mib = static_cast<double>(settings.mib);
    std::printf(
        "%s ranks=%u fanout=%u segment=%zuK inflight=%zuM: tree %.0f MiB/s, MPI_Bcast %.0f MiB/s, ratio "
        "%.2f\n",
        MpiJob::library().c_str(), job.size(), settings.fanout, settings.segment_kib, settings.in_flight_mib,
        mib / median(tree), mib / median(bcast), median(bcast) / median(tree));
  }
  const auto& counters = node.counters();
  const std::array mine{counters[Counter::bytes_received], counters[Counter::bytes_sent],
                        counters[Counter::messages_sent], counters[Counter::messages_damaged]};
  std::array<std::uint64_t, 4> most{};
  MPI_Reduce(mine.data(), most.data(), 4, MPI_UINT64_T, MPI_MAX, 0, job.ranks().communicator);
  if (job.rank() == 0) {
    const auto files = static_cast<double>(rounds * file.size());
    std::printf(
        "  per rank and file, at most: received %.2f times, sent %.2f times, %.1f messages sent for a block; "
        "damaged %lu\n",
        static_cast<double>(most[0]) / files, static_cast<double>(most[1]) / files,
        static_cast<double>(most[2]) / static_cast<double>(rounds * settings.mib), most[3]);
  }
  std::fflush(stdout);
  transport.withdraw();
  job.leave(EXIT_SUCCESS, std::chrono::seconds{20});  // nobody has died: the machine may be slow
}

}  // namespace
}  // namespace copper

int main(int argc, char** argv) {
  try {
    copper::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bulk_bench: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
