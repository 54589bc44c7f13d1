// See transport.h.
#include "service/mpi/transport.h"

#include <algorithm>
#include <array>
#include <vector>

#include "service/mpi/api.h"
#include "service/mpi/requests.h"
#include "tree/flow/inbox.h"
#include "tree/flow/lost_streams.h"
#include "tree/limits.h"

namespace copper {
namespace {

// Receives for headers posted ahead: so many in all, but in each tree at least and at most these.
constexpr std::size_t receives_ahead = 128;
constexpr std::size_t receives_ahead_least = 4;
constexpr std::size_t receives_ahead_most = 32;
constexpr int header_tag = 0;
constexpr int rounds_per_progress = 16;    // while anything moves; then the caller has its turn
constexpr std::size_t spare_buffers = 64;  // for headers that leave

using HeaderBytes = std::array<std::byte, limits::message_bytes>;

static_assert(limits::streams <= 32767, "a stream's number is a tag that every MPI has");

int as_int(std::size_t n) { return static_cast<int>(n); }

// One tree's communicators, and its receives for headers: a ring, taken in the order of posting.
struct Channel {
  MPI_Comm control = MPI_COMM_NULL;
  MPI_Comm bulk = MPI_COMM_NULL;
  std::vector<HeaderBytes> buffers;
  std::vector<MPI_Request> requests;
  std::size_t front = 0;
};

struct LeavingPiece {
  Outbox::Ticket ticket;
  std::vector<std::byte> header;  // empty: a segment
};

struct AwaitedSegment {
  Inbox::Ticket ticket{};
  std::size_t segment = 0;
  std::vector<std::byte> thrown_away;  // not empty: a segment of a lost stream
};

}  // namespace

class MpiTransport::Impl {
 public:
  Impl(const MpiJob& job, const Topology& topology, Memory& memory, Counters& counters,
       std::function<void(const std::string&)> say, const FlowLimits& flow_limits)
      : topology_(topology),
        damage_(counters, std::move(say)),
        outbox_(flow_limits),
        inbox_(memory, damage_, flow_limits.segment_bytes),
        segment_bytes_(flow_limits.segment_bytes),
        channels_(topology.trees()),
        fronts_(topology.trees(), MPI_REQUEST_NULL) {
    const auto ahead =
        std::clamp(receives_ahead / channels_.size(), receives_ahead_least, receives_ahead_most);
    for (std::uint32_t tree = 0; tree < topology.trees(); ++tree) {
      auto& channel = channels_[tree];
      channel.control = job.ranks().duplicate();
      channel.bulk = job.ranks().duplicate();
      channel.buffers.resize(ahead);
      channel.requests.resize(ahead, MPI_REQUEST_NULL);
      for (std::size_t slot = 0; slot < ahead; ++slot) post(channel, slot);
      fronts_[tree] = channel.requests[0];
    }
  }

  bool send(Rank to, Message message) {
    const auto tree = tree_of(message, topology_);
    if (!outbox_.post(to, tree, std::move(message))) return false;
    start_sends();
    return true;
  }

  std::optional<Received> receive() {
    if (inbox_.empty()) progress();
    auto received = inbox_.receive();
    for (const auto& stream : inbox_.damaged()) lost_.lost(stream.from, stream.tree, stream.number);
    return received;
  }

  bool progress() {
    bool moved = false;
    start_sends();  // a payload that is arriving may have grown
    for (int round = 0; round < rounds_per_progress; ++round) {
      bool more = finish_sends();
      more |= take_headers();
      more |= take_segments();
      if (!more) break;
      start_sends();
      inbox_.tag_arrived();
      moved = true;
    }
    throw_away();
    return moved;
  }

  bool bulk_outstanding() const { return inbox_.arriving() || outbox_.payloads() > 0; }
  bool sending() const { return !outbox_.empty(); }

  void withdraw() {
    for (auto& channel : channels_) {
      for (auto& request : channel.requests) {
        MPI_Cancel(&request);
        MPI_Request_free(&request);
      }
    }
  }

 private:
  static void post(Channel& channel, std::size_t slot) {
    auto& buffer = channel.buffers[slot];
    mpi_check(MPI_Irecv(buffer.data(), as_int(buffer.size()), MPI_BYTE, MPI_ANY_SOURCE, header_tag,
                        channel.control, &channel.requests[slot]),
              "MPI_Irecv");
  }

  // ---- what leaves ----

  void start_sends() {
    while (auto piece = outbox_.next()) {
      const auto& channel = channels_[number(piece->tree)];
      const auto to = as_int(number(piece->to()));
      MPI_Request request = MPI_REQUEST_NULL;
      LeavingPiece leaving{piece->ticket, {}};
      if (piece->header) {
        leaving.header = spare_buffer();
        encode(*piece->header, piece->stream, leaving.header);
        mpi_check(MPI_Isend(leaving.header.data(), as_int(leaving.header.size()), MPI_BYTE, to, header_tag,
                            channel.control, &request),
                  "MPI_Isend");
      } else {
        mpi_check(MPI_Isend(piece->segment.data(), as_int(piece->segment.size()), MPI_BYTE, to,
                            as_int(piece->stream), channel.bulk, &request),
                  "MPI_Isend");
      }
      leaving_.add(request, std::move(leaving));
    }
  }

  bool finish_sends() {
    return leaving_.take([&](LeavingPiece& left, const MpiDone&) {
      outbox_.left(left.ticket);
      if (!left.header.empty() && spare_.size() < spare_buffers) spare_.push_back(std::move(left.header));
    });
  }

  std::vector<std::byte> spare_buffer() {
    if (spare_.empty()) return {};
    auto buffer = std::move(spare_.back());
    spare_.pop_back();
    return buffer;
  }

  // ---- what comes ----

  // Receives complete in any order, but match in the order in which they were posted: only the oldest of each
  // tree is asked for.
  bool take_headers() {
    const auto& done = header_done_(fronts_);
    for (const auto& [tree, what] : done) {
      auto& channel = channels_[tree];
      const auto slot = channel.front;
      take_header(Tree{static_cast<std::uint32_t>(tree)}, channel.buffers[slot], what);
      post(channel, slot);
      channel.front = (slot + 1) % channel.requests.size();
      fronts_[tree] = channel.requests[channel.front];
    }
    return !done.empty();
  }

  void take_header(Tree tree, const HeaderBytes& bytes, const MpiDone& what) {
    const Rank from{static_cast<std::uint32_t>(what.status.MPI_SOURCE)};
    auto header = decode(std::span(bytes).first(what.bytes()));
    if (!header) {
      damage_(Damage::message, from);
      lost_.unreadable(from, tree);
      return;
    }
    const auto stream = header->stream;
    if (stream != 0) lost_.begun(from, tree, stream);
    if (tree_of(header->message, topology_) != tree) {
      damage_(Damage::another_tree, from);
      if (stream != 0) lost_.lost(from, tree, stream);
      return;
    }
    const auto ticket = inbox_.header(from, tree, std::move(*header));
    if (!ticket) return;
    for (std::size_t segment = 0; segment < inbox_.segments(*ticket); ++segment) {
      const auto room = inbox_.room(*ticket, segment);
      MPI_Request request = MPI_REQUEST_NULL;
      mpi_check(MPI_Irecv(room.data(), as_int(room.size()), MPI_BYTE, as_int(number(from)), as_int(stream),
                          channels_[number(tree)].bulk, &request),
                "MPI_Irecv");
      arriving_.add(request, {*ticket, segment, {}});
    }
  }

  bool take_segments() {
    return arriving_.take([&](const AwaitedSegment& came, const MpiDone& what) {
      if (came.thrown_away.empty()) inbox_.segment(came.ticket, came.segment, what.bytes());
    });
  }

  void throw_away() {
    if (lost_.empty()) return;
    lost_.for_each([&](Rank from, Tree tree, std::uint32_t stream) {
      int found = 0;
      MPI_Message message = MPI_MESSAGE_NULL;
      MPI_Status status;
      mpi_check(MPI_Improbe(as_int(number(from)), as_int(stream), channels_[number(tree)].bulk, &found,
                            &message, &status),
                "MPI_Improbe");
      if (found == 0) return;
      AwaitedSegment lost;
      lost.thrown_away.resize(segment_bytes_);
      MPI_Request request = MPI_REQUEST_NULL;
      mpi_check(MPI_Imrecv(lost.thrown_away.data(), as_int(segment_bytes_), MPI_BYTE, &message, &request),
                "MPI_Imrecv");
      arriving_.add(request, std::move(lost));
    });
  }

  Topology topology_;
  DamageReport damage_;
  Outbox outbox_;
  Inbox inbox_;
  LostStreams lost_;
  std::size_t segment_bytes_;
  std::vector<Channel> channels_;    // by tree; addresses of buffers stay: MPI holds them
  std::vector<MPI_Request> fronts_;  // by tree: the oldest of its receives
  MpiTestsome header_done_;
  MpiRequests<LeavingPiece> leaving_;
  MpiRequests<AwaitedSegment> arriving_;
  std::vector<std::vector<std::byte>> spare_;
};

MpiTransport::MpiTransport(const MpiJob& job, const Topology& topology, Memory& memory, Counters& counters,
                           std::function<void(const std::string&)> say, FlowLimits flow_limits)
    : impl_(std::make_unique<Impl>(job, topology, memory, counters, std::move(say), flow_limits)) {}
MpiTransport::~MpiTransport() = default;

bool MpiTransport::send(Rank to, Message message) { return impl_->send(to, std::move(message)); }
std::optional<Received> MpiTransport::receive() { return impl_->receive(); }
bool MpiTransport::progress() { return impl_->progress(); }
bool MpiTransport::bulk_outstanding() const { return impl_->bulk_outstanding(); }
bool MpiTransport::sending() const { return impl_->sending(); }
void MpiTransport::withdraw() { impl_->withdraw(); }

}  // namespace copper
