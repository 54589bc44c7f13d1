// The other ranks, over MPI: a Transport. Non-blocking throughout; the thread of MpiJob.
//
// A message is a header (control communicator, receives posted ahead) and, where it carries bytes, a payload
// (bulk communicator) that is received straight into the arena and sent straight from it. Headers are taken
// in the order in which their receives were posted, and a header whose payload is still arriving holds back
// what its sender sent after it: between two ranks order is kept. Bytes in flight per peer are bounded; what
// exceeds them waits in that peer's own queue, so a slow peer slows no other.
#pragma once

#include <memory>

#include "tree/ports.h"

namespace copper {

class MpiTransport final : public Transport {
 public:
  // `memory` takes the payloads; where it has no room they are received on the heap. `counters` counts
  // messages and bytes. Both outlive the transport. Collective.
  MpiTransport(Memory& memory, Counters& counters);
  ~MpiTransport() override;

  void send(Rank to, Message message) override;
  std::optional<Received> receive() override;

  // Lets MPI progress: completes sends, takes in headers and payloads. True where anything moved.
  bool progress();
  // Payloads are under way in either direction: yield, do not sleep.
  bool bulk_outstanding() const;
  // Something handed to send() has not left yet.
  bool sending() const;
  // Withdraws the receives posted ahead, before MPI_Finalize.
  void withdraw();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace copper
