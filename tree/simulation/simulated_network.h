// What the ranks' outboxes let leave is at the receivers' inboxes after the world's time: the product's own
// flow of headers and segments (tree/flow), between queues instead of MPI.
//
// A header leaves its sender at once, as a short MPI message does; a segment when it has arrived. Headers
// keep their order between two ranks, segments come after their header and otherwise in any order that the
// world likes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "tree/flow/inbox.h"
#include "tree/flow/outbox.h"
#include "tree/simulation/digest.h"
#include "tree/simulation/event_queue.h"
#include "tree/simulation/nobodys_bytes.h"
#include "tree/simulation/world.h"

namespace copper::simulation {

// How much of a message is simulated. Whole: it goes through the product's codec, its bytes are copied and
// verified, and everything goes into the digest. Timing: none of it; ten times the ranks in the same time.
enum class Detail { whole, timing };

class SimulatedNetwork {
 public:
  class Port;

  // `wake`: something is there for that rank. All outlive the network.
  SimulatedNetwork(const Topology& topology, World& world, EventQueue& queue, Detail detail, Digest& digest,
                   std::function<void(Rank, Cause)> wake, const FlowLimits& flow);
  ~SimulatedNetwork();

  Port& port(Rank rank) { return *ports_[number(rank)]; }
  // Payloads that a rank sent to another one although it had sent it the same before. (Where the detail is
  // whole.)
  std::uint64_t repeated() const { return repeated_; }
  // Messages that the world damaged.
  std::uint64_t damaged() const { return damaged_; }
  // From now on nothing reaches that rank, and nothing leaves it.
  void cut_off(Rank rank);
  // All ranks are others from now on: what is under way, or waits to be sent, is lost. Ends every port().
  void restart();

 private:
  // A piece on its way.
  struct Envelope {
    Rank from{};
    std::uint64_t restarts = 0;  // when it was sent
    Outbox::Ticket ticket;
    Tree tree{};
    std::uint32_t stream = 0;
    std::optional<Message> message;  // a header, where the detail is timing
    std::vector<std::byte> encoded;  // a header, where it is whole
    bool is_header = false;
    std::size_t offset = 0;
    std::span<const std::byte> segment;
    std::size_t bytes = 0;
  };
  void make_ports();
  std::uint32_t keep(Envelope envelope);
  Envelope take(std::uint32_t slot);
  void note_payload(Rank from, Rank to, const Message& message);
  void arrive(Rank to, std::uint32_t slot);
  void deliver(Rank to, std::uint32_t slot);

  const Topology& topology_;
  World& world_;
  EventQueue& queue_;
  Detail detail_;
  Digest& digest_;
  std::function<void(Rank, Cause)> wake_;
  FlowLimits flow_;
  std::vector<Envelope> envelopes_;
  std::vector<std::uint32_t> free_envelopes_;
  std::set<std::array<std::uint64_t, 4>> said_;  // from, to, key, tag
  std::uint64_t repeated_ = 0;
  std::uint64_t damaged_ = 0;
  std::uint64_t restarts_ = 0;
  std::vector<std::unique_ptr<Port>> ports_;  // by rank
};

// A rank's end of it: its Transport.
class SimulatedNetwork::Port final : public Transport {
 public:
  Port(SimulatedNetwork& network, Rank self);

  bool send(Rank to, Message message) override;
  std::optional<Received> receive() override;

  // Begin and end of the rank's turn: what came since the last one costs it work; what may leave leaves.
  void begin_turn();
  void end_turn();

  bool has_received() const { return !inbox_.empty(); }
  bool idle() const { return outbox_.empty() && inbox_.empty() && !inbox_.arriving(); }
  const Counters& counters() const { return counters_; }  // damage

 private:
  friend class SimulatedNetwork;
  using StreamName = std::tuple<Rank, Tree, std::uint32_t>;
  struct Incoming {
    Inbox::Ticket ticket{};
    std::size_t missing = 0;
  };
  bool bulk_outstanding() const { return inbox_.arriving() || outbox_.payloads() > 0; }
  void deliver(Envelope envelope);

  SimulatedNetwork& network_;
  Rank self_;
  Counters counters_;
  DamageReport damage_;
  // Of a rank whose cache is full now and then.
  class Cache final : public Memory {
   public:
    Cache(World& world, Rank self) : world_(world), self_(self) {}
    std::optional<Buffer> allocate(const Key& key, std::size_t size) override {
      return world_.has_room(self_) ? heap_.allocate(key, size) : std::nullopt;
    }
    Bytes seal(Buffer buffer, Tag tag) override { return heap_.seal(std::move(buffer), tag); }

   private:
    World& world_;
    Rank self_;
    HeapMemory heap_;
  };
  Cache cache_;
  NobodysBytes nobodys_;
  Outbox outbox_;
  Inbox inbox_;
  Instant& last_header(Rank to);
  std::vector<std::pair<Rank, Instant>> last_header_;  // when it arrives there
  std::map<StreamName, Incoming> incoming_;
  std::size_t segments_came_ = 0;  // since the last turn,
  std::size_t segment_bytes_ = 0;  // with so many bytes
  bool cut_off_ = false;
};

}  // namespace copper::simulation
