// The other ranks, over MPI: a Transport. Non-blocking throughout; the thread of MpiJob.
//
// Each tree has two communicators of its own. On the one for control travel headers, with a short payload
// behind them; receives for them are posted ahead and taken in the order in which they match. On the one for
// bulk travel segments, tagged with their stream: when a header is seen their receives are posted straight
// into the arena, and they are sent straight from it, those of a payload that is still arriving as well. What
// leaves when, and what is handed out in which order: tree/flow.
//
// Nothing that comes is believed. A message that cannot be read, or that came in another tree than its key's,
// is counted, the first of its kind is told, and it is dropped. Segments that it had announced lie with MPI
// as unexpected messages, until the next stream from that sender in that tree shows the gap; then they are
// received and thrown away. Segments of a stream that nobody announced lie there until the stream of that
// number comes; it ends damaged, and what is left over is thrown away as well. So neither reaches another
// stream, nor keeps its sender from sending on.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "service/mpi/job.h"
#include "tree/flow/outbox.h"
#include "tree/ports.h"

namespace copper {

class MpiTransport final : public Transport {
 public:
  // `memory` takes the payloads; where it has no room they are received on the heap. `counters` counts what
  // is damaged; `say` gets one line for the first of each kind. All outlive the transport. Collective, and
  // blocking until all ranks take part.
  MpiTransport(const MpiJob& job, const Topology& topology, Memory& memory, Counters& counters,
               std::function<void(const std::string&)> say, FlowLimits flow_limits = {});
  ~MpiTransport() override;

  bool send(Rank to, Message message) override;
  std::optional<Received> receive() override;

  // Lets MPI progress: completes sends, takes in headers and segments, passes segments on. True where
  // anything moved.
  bool progress();
  // Long payloads are under way in either direction: yield, do not sleep.
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
