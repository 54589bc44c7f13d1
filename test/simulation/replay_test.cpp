// A short trace replayed on a machine of round numbers: when it finishes can be worked out by hand, and is
// worked out here, for Copper, for reading directly and for the predecessor.
#include "tree/simulation/replay/replay.h"

#include <catch2/catch.hpp>

#include "tree/simulation/failure.h"
#include "tree/simulation/machine/machine_world.h"
#include "tree/simulation/replay/bounds.h"
#include "tree/simulation/replay/direct.h"
#include "tree/simulation/replay/peer.h"
#include "tree/simulation/replay/without_ranks.h"

namespace copper::simulation {
namespace {

using namespace std::chrono_literals;

// A metadata operation takes 1 ms of the file system and 500 us besides; a read of up to a megabyte 10 ms and
// 400 us.
MachineProfile machine() {
  return {.network = {"test", 2, 10},
          .storage = {"test", 500, 1000, 400, 100, 1, 0.1, 4},
          .node = {.message_us = 5,
                   .send_us = 3,
                   .question_us = 7,
                   .checksum_gb_per_s = 1,
                   .loaded_us = 11,
                   .doorbell_us = 0,
                   .request_us = 10,
                   .ask_us = 4,
                   .kernel_hit_us = 1,
                   .copy_gb_per_s = 1}};
}
Job job(std::uint32_t nodes, std::uint32_t processes) { return {nodes, processes, 0ns, 1}; }

Trace trace_of(const std::string& text) {
  auto parsed = parse_trace("copper-trace 1\n" + text);
  if (const auto* wrong = std::get_if<std::string>(&parsed)) FAIL(*wrong);
  return std::get<Trace>(parsed);
}

const char* const lookup = "path 0 /d/f\n100 lookup 0 0\n entry 0 0 100\n";
const char* const lookup_and_read =
    "path 0 /d/f\n100 lookup 0 0\n entry 0 0 100\n0 read 0 0\n block 0 0 1000000\n";
const char* const mixed =
    "distinct /in\n"
    "path 0 /d/a\npath 1 /d/absent\npath 2 /d\npath 3 /in/x/y\npath 4 /in/x\n"
    "100 lookup 0 0\n entry 0 0 100\n"
    "10 lookup 1 0\n entry 1 0 -2\n"
    "10 readdir 2 0\n listing 2 0 1000\n"
    "0 read 0 0\n block 0 0 1048576\n"
    "0 read 0 1\n block 0 1 500\n"
    "5 ioctl 0 0\n"
    "0 getattr 2 0\n"
    "20 lookup 3 0\n listing 4 0 1000\n entry 3 0 100\n"
    "0 read 3 0\n block 3 0 2000\n";

Figures ours(const char* text, const Job& on, const ServiceSettings& service = {}) {
  return replay(Workload(trace_of(text)), machine(), service, on, [](double) {});
}

}  // namespace

TEST_CASE("one process on one node finishes when the sum of all it waits for is over") {
  // Thinks 100; half a request and half an ask 7; the rank takes the question 7; storage 1,500; the rank
  // takes what it brings 11; the other halves 7.
  CHECK(ours(lookup, job(1, 1)).finish == 1632us);
  // Then 7, 7; the open 1,500 and the read 10,400; 11, 7; and a megabyte is copied in 1,000.
  const auto read = ours(lookup_and_read, job(1, 1));
  CHECK(read.finish == 1632us + 7us + 7us + 11'900us + 11us + 7us + 1000us);
  CHECK(read.storage_operations == 3);
  CHECK(read.storage_bytes == 1'000'000);
  CHECK(read.network_bytes == 0);
}

TEST_CASE("a second node's answer comes over the network when its rank has looked") {
  // Its question is with the parent at 100 + 7 + 7 + 3 (sent) + 2 (160 bytes on their way), and waits there
  // for storage: 1,625. Then 3 and 2 again, with 260 bytes; the rank sleeps since 117.
  const auto came = Instant{} + 1628us + 26ns + 2us;
  const auto figures = ours(lookup, job(2, 1));
  CHECK(figures.finish == sees(Instant{} + 117us, came) + 5us + 7us - Instant{});
  CHECK(figures.storage_operations == 1);
  CHECK(figures.network_bytes == 160 + 260);
  CHECK(figures.busiest_messages == 2);
}

TEST_CASE("a second process of the node hits what the first brought, and waits while it does") {
  const auto one = ours(lookup_and_read, job(1, 1));
  const auto two = ours(lookup_and_read, job(1, 2));
  CHECK(two.finish == one.finish + 1us + 1000us - 1us - 1000us);  // both wait for the same, to the same end
  CHECK(two.storage_operations == one.storage_operations);
}

TEST_CASE("whatever the number of nodes and trees, storage is asked once for what all share") {
  const Workload workload(trace_of(mixed));
  // Five shared objects: 1 + 1 + (2 + 7 names) + (1 + read) + read; the distinct ones of each process
  // besides: (2 + 7) + 1 + (1 + read).
  for (const auto& [nodes, processes, trees] : {std::tuple{1u, 1u, 1u}, {5u, 3u, 2u}, {40u, 2u, 4u}}) {
    const auto figures = ours(mixed, job(nodes, processes), {.fanouts = {3, 2}, .trees = trees});
    CHECK(figures.storage_operations == 14 + 12 * nodes * processes);
    CHECK(figures.storage_bytes == 1'048'576 + 500 + 2000 * nodes * processes);
  }
  CHECK(workload.objects().questions == 8);
  CHECK(workload.objects().reads == 3);
  CHECK(workload.objects().metadata_operations == 14 - 2 + 12 - 1);
  CHECK(workload.thinking() == 145us);
}

TEST_CASE("equal seeds give equal figures, others start the processes at other times") {
  const Workload workload(trace_of(mixed));
  const auto finish = [&](std::uint64_t seed) {
    return replay(workload, machine(), {}, {20, 4, 10ms, seed}, [](double) {}).finish;
  };
  CHECK(finish(1) == finish(1));
  CHECK(finish(1) != finish(2));
}

TEST_CASE("keys are valid, each process's own are its own, and meet in their directory's tree") {
  const Workload workload(trace_of(mixed));
  const Topology topology(100, {8, 2}, 16);
  const auto& questions = workload.questions();
  for (const auto& question : questions) {
    const auto key = workload.key(question, 12, 3);
    CHECK(valid(key));
    CHECK((key == question.key) == !question.distinct);
    CHECK(workload.answer(key).bytes == question.bytes);
  }
  // The listing of /in/x and the entry of /in/x/y.
  const auto listing = workload.key(questions[5], 7, 1);
  const auto entry = workload.key(questions[6], 7, 1);
  CHECK(listing.directory() == entry.directory());
  CHECK(topology.tree_of(listing) == topology.tree_of(entry));
  CHECK(entry != workload.key(questions[6], 71, 1));
  CHECK(entry != workload.key(questions[6], 7, 11));
  CHECK_THROWS_AS(workload.answer(Key::entry("/not/asked")), Failure);
}

TEST_CASE("read directly, each node looks up and reads once, and each process opens") {
  const Workload workload(trace_of(lookup_and_read));
  // Each request begins with 1 in the kernel: 100 + 1 + 1,500; 1 + 1,500 for the open; 1 + 10,400 and 1,000
  // to copy.
  CHECK(direct(workload, machine(), job(1, 1), [](double) {}).finish == 1601us + 1501us + 11'401us);
  const auto figures = direct(workload, machine(), job(3, 4), [](double) {});
  CHECK(figures.storage_operations == 3 * (1 + 4 + 1));
  CHECK(figures.storage_bytes == 3 * 1'000'000);
  CHECK(figures.network_bytes == 0);
}

TEST_CASE("read directly, many nodes wait for the metadata server") {
  const Workload workload(trace_of(lookup));
  // 1,000 lookups at the same time, 1,000 a second.
  CHECK(direct(workload, machine(), job(1000, 1), [](double) {}).finish == 101us + 1s + 500us);
}

TEST_CASE("without ranks a process waits for storage and its front end's two halves") {
  // Thinks 100, half a request 5, storage 1,500, 5; then 5, three looks and a read of 10,400, 5, a megabyte.
  const Workload workload(trace_of(lookup_and_read));
  const auto figures = without_ranks(workload, machine(), job(1, 2), [](double) {});
  CHECK(figures.finish == 1610us + 10'410us + 1000us);
  CHECK(figures.storage_operations == 1 + 4);
  CHECK(figures.storage_bytes == 1'000'000);
}

TEST_CASE("ten thousand nodes without ranks ask no more in any second than they may") {
  std::string text;
  for (int n = 0; n < 9; ++n) text += "path " + std::to_string(n) + " /d/" + std::to_string(n) + "\n";
  for (int n = 0; n < 9; ++n) {
    const auto path = std::to_string(n);
    text += "0 readdir " + path + " 0\n listing " + path + " 0 10000\n";
    text += "0 lookup " + path + " 0\n entry " + path + " 0 100\n";
  }
  auto fast = machine();
  fast.storage = {"test", 1, 1e9, 1, 1e9, 1e6, 1e6, 1e6};
  constexpr std::uint32_t nodes = 10'624;
  const auto figures = without_ranks(Workload(trace_of(text)), fast, job(nodes, 12), [](double) {});
  CHECK(figures.storage_operations == std::uint64_t{nodes} * 9 * (4 + 1));
  CHECK(static_cast<double>(figures.busiest_second) <= 1.1 * 5 * nodes);
  CHECK(figures.finish > 8s);
  CHECK(figures.finish < 10s);
}

TEST_CASE("the predecessor's one thread serves each operation of each process, and waits for every miss") {
  const Workload workload(trace_of(lookup_and_read));
  const PeerProfile profile{.operation_us = 100, .getattrs_per_open = 168, .fanout = 2};
  // 100 + 1 operation and 500 of storage; then 8 reads, the open and 168 getattr, and 11,400 of storage.
  CHECK(peer(workload, machine(), profile, job(1, 1), Run::first).finish == 700us + 17'700us + 11'400us);
  CHECK(peer(workload, machine(), profile, job(1, 1), Run::second).finish == 200us + 17'700us);
  // Of two processes the second is served after the first, each time.
  CHECK(peer(workload, machine(), profile, job(1, 2), Run::second).finish == 100us + 200us + 35'400us);
  // A child asks its parent, 2 + 5 each way. The parent has the entry at 600 and hands it to two children in
  // 2 x 3, so the child is through at 713; it has the file at 700 + 11,400 and hands it over in 2 x (3 +
  // 100).
  const auto three = peer(workload, machine(), profile, job(3, 1), Run::first);
  CHECK(three.finish == 713us + 17'700us + (700us + 11'400us + 206us + 7us - 713us));
  CHECK(three.storage_operations == 4);
  CHECK(three.network_bytes == 2'000'000);
}

TEST_CASE("the predecessor's nodes each read a large file from storage, in every run") {
  const Workload workload(trace_of(lookup_and_read));
  const PeerProfile profile{
      .operation_us = 100, .getattrs_per_open = 0, .fanout = 2, .forwarded_bytes = 1000};
  const auto first = peer(workload, machine(), profile, job(50, 3), Run::first);
  const auto second = peer(workload, machine(), profile, job(50, 3), Run::second);
  CHECK(first.storage_operations == 1 + 50 * 8 * 3);
  CHECK(second.storage_operations == 50 * 8 * 3);
  CHECK(second.storage_bytes == 50 * 1'000'000);
  // 50 nodes, 100 reads a second: each of the 8 reads takes half a second.
  CHECK(second.finish > 4s);
  CHECK(second.finish < 5s);
}

TEST_CASE("the bounds are those of the literature") {
  // 67 MiB and 4 GiB to 8,192 nodes, 5 us and 20 GB/s.
  auto at = machine();
  at.network = {"test", 5, 20};
  at.storage = {"test", 1e-3, 1e12, 1e-3, 1e12, 1e6, 1e6, 1e6};
  std::string text = "path 0 /f\n";
  for (int block = 0; block < 67; ++block)
    text += "0 read 0 " + std::to_string(block) + "\n block 0 " + std::to_string(block) + " 1048576\n";
  const Workload workload(trace_of(text));
  const auto bound = std::chrono::duration<double, std::milli>(lower_bound(workload, at, 8192)).count();
  const auto trees = std::chrono::duration<double, std::milli>(two_tree(workload, at, 8192)).count();
  CHECK(bound == Approx(3.51).margin(0.01));
  CHECK(trees == Approx(5.33).margin(0.01));
  CHECK(two_tree(workload, at, 1) == 0ns);
}

}  // namespace copper::simulation
