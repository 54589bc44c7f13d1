// The model of a machine: queues serve what their profile says, ranks are busy and sleep as they should.
#include "tree/simulation/machine/machine_world.h"

#include <catch2/catch.hpp>

#include "tree/idle_policy.h"
#include "tree/simulation/nobodys_bytes.h"
#include "tree/simulation/simulation.h"

namespace copper::simulation {
namespace {

using namespace std::chrono_literals;

constexpr Instant start{};

NetworkProfile network() { return {"test", 2, 10}; }
StorageProfile storage() { return {"test", 500, 1000, 400, 100, 1, 0.1, 4}; }
NodeProfile node() {
  return {.message_us = 5,
          .send_us = 3,
          .question_us = 7,
          .checksum_gb_per_s = 1,
          .loaded_us = 11,
          .doorbell_us = 30,
          .request_us = 1,
          .ask_us = 1,
          .kernel_hit_us = 1,
          .copy_gb_per_s = 1};
}
MachineWorld world(std::uint32_t nodes = 4) { return {network(), storage(), node(), nodes}; }

}  // namespace

TEST_CASE("a file system that is asked too much serves its metadata operations per second") {
  StorageQueues queues(storage(), 5000);
  Instant last = start;
  for (std::uint32_t client = 0; client < 5000; ++client) last = queues.metadata(client, start, 1);
  CHECK(last == start + 5s + 500us);  // 1,000 a second
  CHECK(queues.operations() == 5000);
}

TEST_CASE("an idle file system answers one operation after its latency, and forgets what it idled away") {
  StorageQueues queues(storage(), 2);
  CHECK(queues.metadata(0, start, 1) == start + 1ms + 500us);
  CHECK(queues.metadata(1, start + 10s, 1) == start + 10s + 1ms + 500us);
}

TEST_CASE("a client has so many metadata operations under way at a time") {
  auto fast = storage();
  fast.metadata_per_s = 1e9;
  StorageQueues queues(fast, 1);
  // 100 operations of 500 us, four at a time: the last starts after 99 gaps of 125 us.
  CHECK(queues.metadata(0, start, 100) == start + 99 * 125us + 500us);
}

TEST_CASE("reads are bounded by the file system's bytes, by its reads, and by each client's bytes") {
  const auto megabyte = std::uint64_t{1'000'000};
  {
    auto wide = storage();
    wide.reads_per_s = 1e9;
    wide.client_gb_per_s = 1000;
    StorageQueues queues(wide, 100);
    Instant last = start;
    for (std::uint32_t client = 0; client < 100; ++client) last = queues.data(client, start, megabyte);
    CHECK(last == start + 100ms + 400us);  // 1 GB/s
    CHECK(queues.bytes() == 100 * megabyte);
  }
  {
    StorageQueues queues(storage(), 100);
    Instant last = start;
    for (std::uint32_t client = 0; client < 100; ++client) last = queues.data(client, start, 1);
    CHECK(last == start + 1s + 400us);  // 100 reads a second
  }
  {
    auto wide = storage();
    wide.reads_per_s = 1e9;
    StorageQueues queues(wide, 1);
    Instant last = start;
    for (int n = 0; n < 100; ++n) last = queues.data(0, start, megabyte);
    CHECK(last == start + 1s + 400us);  // 0.1 GB/s to one client
  }
}

TEST_CASE("a node's network interface sends one message after the other, at its bandwidth") {
  auto machine = world();
  // 10 GB/s: 100 us each; the rank has handed over each after 3 us more.
  CHECK(machine.arrives(Rank{0}, Rank{1}, 1'000'000, start) == start + 3us + 100us + 2us);
  CHECK(machine.arrives(Rank{0}, Rank{2}, 1'000'000, start) == start + 3us + 200us + 2us);
  CHECK(machine.arrives(Rank{3}, Rank{1}, 1'000'000, start) == start + 3us + 100us + 2us);
  CHECK(machine.labour(Rank{0}).bytes_sent == 2'000'000);
  CHECK(machine.labour(Rank{0}).messages == 2);
}

TEST_CASE("a node's network interface takes in no more than its bandwidth, whoever sends") {
  auto machine = world();
  const auto at = start + 105us;  // three messages of 100 us end at the same time
  CHECK(machine.received(Rank{1}, 1'000'000, at) == at);
  CHECK(machine.received(Rank{1}, 1'000'000, at) == at + 100us);
  CHECK(machine.received(Rank{1}, 1'000'000, at) == at + 200us);
  CHECK(machine.received(Rank{2}, 1'000'000, at) == at);
}

TEST_CASE("a simulated message is there when the receiver's interface has taken it in") {
  // Everything takes a microsecond, but an interface takes in a payload in 7 ms.
  class SlowInterfaces final : public World {
   public:
    Instant arrives(Rank, Rank, std::size_t, Instant sent) override { return sent + 1us; }
    Instant received(Rank, std::size_t bytes, Instant arrived) override {
      return bytes > 1000 ? arrived + 7ms : arrived;
    }
    Instant looks(Rank, const Load&, Instant asked) override { return asked + 1us; }
    Instant loads(Rank, const Loaded&, Instant looked) override { return looked + 1us; }
    Instant wakes(Rank, Cause, Instant happened) override { return happened + 1us; }
  };
  class OneFile final : public SimulatedStorage {
   public:
    void begin(const Key&, Instant) override {}
    Loaded look(const Load& load, Instant) override {
      return {load.key, false, NobodysBytes::of(5000), 1, for_the_job};
    }
    void end(const Key&) override {}
    std::uint64_t loads() const override { return 1; }
  };
  class Asks final : public Application {
   public:
    void on_reply(Rank, const Reply& reply) override {
      bytes += reply.outcome.value->size();
      at = simulation->now();
    }
    const Simulation* simulation = nullptr;
    std::size_t bytes = 0;
    Instant at{};
  };
  SlowInterfaces slow;
  OneFile file;
  Asks asks;
  Simulation simulation(Topology(2, {2, 2}, 1), NodeOptions{.store_bytes = 1 << 20}, slow, file, asks,
                        Detail::timing);
  asks.simulation = &simulation;
  simulation.ask(Rank{1}, Client{std::uint64_t{1} << 32}, Key::file_block("/f", 0, {}), 0);
  simulation.run();
  simulation.check();
  // Wakes, arrives, wakes, looks, loads, wakes, arrives, is received, wakes.
  CHECK(asks.at == start + 7ms + 8us);
  CHECK(asks.bytes == 5000);
}

TEST_CASE("a rank that takes events is busy for the sum of their costs, then sends") {
  auto machine = world();
  machine.takes(Rank{0}, Work::message, 0, start);
  machine.takes(Rank{0}, Work::question, 0, start);
  machine.takes(Rank{0}, Work::loaded, 0, start);
  CHECK(machine.done(Rank{0}) == start + 23us);
  CHECK(machine.arrives(Rank{0}, Rank{1}, 0, start) == start + 26us + 2us);
  CHECK(machine.labour(Rank{0}).busy == 26us);
  // Busy, it takes its next turn when it is done, and then looks at once.
  CHECK(machine.wakes(Rank{0}, Cause::message, start + 10us) == start + 26us);
  CHECK(machine.wakes(Rank{0}, Cause::message, start + 30us) == start + 30us);
}

TEST_CASE("an idle rank sees a message when its sleep ends, and its doorbell at once") {
  auto machine = world();
  machine.takes(Rank{0}, Work::message, 0, start);  // done at 5 us
  const auto idle_since = start + 5us;
  CHECK(machine.wakes(Rank{0}, Cause::message, idle_since + 5s + 300us) > idle_since + 5s + 300us);
  CHECK(machine.wakes(Rank{0}, Cause::message, idle_since + 5s + 300us) <= idle_since + 5s + 1300us);
  CHECK(machine.wakes(Rank{0}, Cause::doorbell, idle_since + 5s + 300us) <= idle_since + 5s + 330us);
}

TEST_CASE("a rank that sends a payload yields and does not sleep") {
  auto machine = world();
  machine.arrives(Rank{0}, Rank{1}, 10'000'000, start);  // on the wire until 1,003 us
  CHECK(machine.wakes(Rank{0}, Cause::message, start + 700us) == start + 700us);
  CHECK(machine.wakes(Rank{0}, Cause::message, start + 1100us) > start + 1100us);
}

TEST_CASE("the instants at which an idle rank looks are those of the idle policy, one by one") {
  Duration looks = idle_policy::spin_time;
  while (looks < idle_policy::idle_after + 1s) {
    const auto sleep = idle_policy::sleep_after(looks);
    // Just after this look, in the middle of the sleep, and at its end: all see the end.
    const auto next = start + looks + sleep;
    REQUIRE(sees(start, start + looks + 1ns) == next);
    REQUIRE(sees(start, start + looks + sleep / 2) == next);
    REQUIRE(sees(start, next) == next);
    looks += sleep;
  }
  CHECK(sees(start, start + 19us) == start + 19us);  // spinning
  CHECK(sees(start + 1s, start) == start + 1s);
}

TEST_CASE("a load costs what storage is asked for it") {
  CHECK(metadata_operations(Key::entry("/a"), 100, true) == 1);
  CHECK(metadata_operations(Key::listing("/a"), 128 * 10, true) == 12);
  CHECK(metadata_operations(Key::listing("/a"), 0, false) == 1);
  CHECK(metadata_operations(Key::listing("/a"), 128 * 100'000, true) == 2);  // nothing rides along
  CHECK(metadata_operations(Key::file_block("/a", 0, {}), 100, true) == 1);
  CHECK(metadata_operations(Key::file_block("/a", 1, {}), 100, true) == 0);
}

TEST_CASE("a profile's numbers can be replaced, and nothing else") {
  const auto good = network_profile("slingshot11,latency_us=3.5");
  REQUIRE(std::holds_alternative<NetworkProfile>(good));
  CHECK(std::get<NetworkProfile>(good).latency_us == 3.5);
  CHECK(std::get<NetworkProfile>(good).gb_per_s == 25);
  CHECK(describe(std::get<NetworkProfile>(good)) == "slingshot11,latency_us=3.5,gb_per_s=25");
  for (const auto& name : network_names())
    CHECK(std::holds_alternative<NetworkProfile>(network_profile(name)));
  for (const auto& name : storage_names())
    CHECK(std::holds_alternative<StorageProfile>(storage_profile(name)));
  for (const auto* bad : {"", "token-ring", "slingshot11,", "slingshot11,latency_us",
                          "slingshot11,latency_us=", "slingshot11,latency_us=0", "slingshot11,latency_us=-1",
                          "slingshot11,latency_us=nan", "slingshot11,latency_us=1e999",
                          "slingshot11,latency_us=1x", "slingshot11,colour=1"}) {
    INFO(bad);
    CHECK(std::holds_alternative<std::string>(network_profile(bad)));
  }
}

}  // namespace copper::simulation
