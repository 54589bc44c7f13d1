// See mpi_transport.h.
#include "service/mpi_transport.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <list>
#include <unordered_map>
#include <vector>

#include "service/mpi_api.h"
#include "tree/limits.h"

namespace copper {
namespace {

constexpr std::size_t receives_ahead = 32;
constexpr int header_tag = 1;
// Payload tags only need to be unique among the messages under way between two ranks; every MPI has 32767 of
// them.
constexpr std::uint32_t first_payload_tag = 16;
constexpr std::uint32_t last_payload_tag = 32767;

using HeaderBytes = std::array<std::byte, limits::message_bytes>;

int as_int(std::uint64_t n) { return static_cast<int>(n); }

MPI_Comm duplicate() {
  MPI_Comm comm = MPI_COMM_NULL;
  mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &comm), "MPI_Comm_dup");
  mpi_check(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  return comm;
}

struct Incoming {
  Message message;
  Buffer payload;
  MPI_Request request = MPI_REQUEST_NULL;  // null: the message is whole
  bool in_memory = false;                  // the payload lies in `memory`, not on the heap
};

struct Outgoing {
  std::vector<std::byte> header;
  Bytes payload;
  std::array<MPI_Request, 2> requests{MPI_REQUEST_NULL, MPI_REQUEST_NULL};
  std::uint32_t to = 0;
};

struct Peer {
  std::deque<Message> queued;
  std::size_t bytes_in_flight = 0;
  std::deque<Incoming> arriving;
};

}  // namespace

class MpiTransport::Impl {
 public:
  Impl(Memory& memory, Counters& counters) : memory_(memory), counters_(counters) {
    for (std::size_t i = 0; i < receives_ahead; ++i) post(i);
  }

  void send(Rank to, Message message) {
    auto& peer = peers_[number(to)];
    if (!peer.queued.empty() || peer.bytes_in_flight >= limits::payload_bytes_in_flight) {
      peer.queued.push_back(std::move(message));
    } else {
      start(number(to), peer, std::move(message));
    }
  }

  std::optional<Received> receive() {
    if (inbox_.empty()) progress();
    if (inbox_.empty()) return std::nullopt;
    auto received = std::move(inbox_.front());
    inbox_.pop_front();
    return received;
  }

  bool progress() {
    bool moved = finish_sends();
    moved |= take_headers();
    moved |= finish_payloads();
    return moved;
  }

  bool bulk_outstanding() const { return payloads_sending_ + payloads_arriving_ > 0; }

  bool sending() const {
    return !sending_.empty() ||
           std::ranges::any_of(peers_, [](const auto& item) { return !item.second.queued.empty(); });
  }

  void withdraw() {
    for (auto& request : header_requests_) {
      if (request == MPI_REQUEST_NULL) continue;
      MPI_Cancel(&request);
      MPI_Request_free(&request);
    }
  }

 private:
  void post(std::size_t i) {
    mpi_check(MPI_Irecv(headers_[i].data(), as_int(headers_[i].size()), MPI_BYTE, MPI_ANY_SOURCE, header_tag,
                        control_, &header_requests_[i]),
              "MPI_Irecv");
  }

  void start(std::uint32_t to, Peer& peer, Message message) {
    auto& out = sending_.emplace_back();
    out.to = to;
    const auto payload_tag = next_payload_tag_;
    next_payload_tag_ = payload_tag == last_payload_tag ? first_payload_tag : payload_tag + 1;
    encode(message, payload_tag, out.header);
    mpi_check(MPI_Isend(out.header.data(), as_int(out.header.size()), MPI_BYTE, as_int(to), header_tag,
                        control_, &out.requests[0]),
              "MPI_Isend");
    if (const Bytes* payload = payload_of(message)) {
      out.payload = *payload;
      peer.bytes_in_flight += out.payload.size();
      ++payloads_sending_;
      mpi_check(MPI_Isend(out.payload.data(), as_int(out.payload.size()), MPI_BYTE, as_int(to),
                          as_int(payload_tag), bulk_, &out.requests[1]),
                "MPI_Isend");
    }
  }

  bool finish_sends() {
    bool moved = false;
    for (auto out = sending_.begin(); out != sending_.end();) {
      int done = 0;
      mpi_check(MPI_Testall(2, out->requests.data(), &done, MPI_STATUSES_IGNORE), "MPI_Testall");
      if (done == 0) {
        ++out;
        continue;
      }
      moved = true;
      const auto to = out->to;
      auto& peer = peers_[to];
      if (out->payload.size() > 0) {
        peer.bytes_in_flight -= out->payload.size();
        --payloads_sending_;
      }
      out = sending_.erase(out);
      while (!peer.queued.empty() && peer.bytes_in_flight < limits::payload_bytes_in_flight) {
        auto message = std::move(peer.queued.front());
        peer.queued.pop_front();
        start(to, peer, std::move(message));
      }
    }
    return moved;
  }

  // Receives complete in any order, but match in the order in which they were posted: take them in that
  // order.
  bool take_headers() {
    bool moved = false;
    while (true) {
      int done = 0;
      MPI_Status status;
      mpi_check(MPI_Test(&header_requests_[next_header_], &done, &status), "MPI_Test");
      if (done == 0) return moved;
      moved = true;
      take_header(status);
      post(next_header_);
      next_header_ = (next_header_ + 1) % receives_ahead;
    }
  }

  void take_header(const MPI_Status& status) {
    int bytes = 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    auto header = decode(std::span(headers_[next_header_]).first(static_cast<std::size_t>(bytes)));
    if (!header) {
      counters_.add(Counter::messages_damaged);
      return;
    }
    const auto from = static_cast<std::uint32_t>(status.MPI_SOURCE);
    auto& in = peers_[from].arriving.emplace_back();
    in.message = std::move(header->message);
    if (header->payload_bytes > 0) expect_payload(from, *header, in);
    deliver(from);
  }

  void expect_payload(std::uint32_t from, const Header& header, Incoming& in) {
    const auto* answer = std::get_if<Answer>(&in.message);
    auto buffer = memory_.allocate(answer->key, header.payload_bytes);
    in.in_memory = buffer.has_value();
    in.payload = buffer ? std::move(*buffer) : *heap_.allocate(answer->key, header.payload_bytes);
    ++payloads_arriving_;
    mpi_check(MPI_Irecv(in.payload.data(), as_int(in.payload.size()), MPI_BYTE, as_int(from),
                        as_int(header.payload_tag), bulk_, &in.request),
              "MPI_Irecv");
  }

  bool finish_payloads() {
    if (payloads_arriving_ == 0) return false;
    bool moved = false;
    for (auto& [from, peer] : peers_) {
      for (auto& in : peer.arriving) {
        if (in.request == MPI_REQUEST_NULL) continue;
        int done = 0;
        mpi_check(MPI_Test(&in.request, &done, MPI_STATUS_IGNORE), "MPI_Test");
        if (done == 0) continue;
        moved = true;
        --payloads_arriving_;
        complete(in);
      }
      deliver(from);
    }
    return moved;
  }

  void complete(Incoming& in) {
    auto& answer = std::get<Answer>(in.message);
    if (tag_of(in.payload.span()) != answer.tag) {
      counters_.add(Counter::messages_damaged);
      answer.value = Errno{EIO};
      answer.tag = 0;
      return;
    }
    answer.value = in.in_memory ? memory_.seal(std::move(in.payload), answer.tag)
                                : heap_.seal(std::move(in.payload), answer.tag);
  }

  void deliver(std::uint32_t from) {
    auto& arriving = peers_[from].arriving;
    while (!arriving.empty() && arriving.front().request == MPI_REQUEST_NULL) {
      inbox_.push_back({Rank{from}, std::move(arriving.front().message)});
      arriving.pop_front();
    }
  }

  Memory& memory_;
  Counters& counters_;
  HeapMemory heap_;
  MPI_Comm control_ = duplicate();
  MPI_Comm bulk_ = duplicate();
  std::array<HeaderBytes, receives_ahead> headers_{};
  std::array<MPI_Request, receives_ahead> header_requests_{};
  std::size_t next_header_ = 0;
  std::uint32_t next_payload_tag_ = first_payload_tag;
  std::unordered_map<std::uint32_t, Peer> peers_;  // parents and children: a handful
  std::list<Outgoing> sending_;                    // addresses stay: MPI holds them
  std::deque<Received> inbox_;
  std::size_t payloads_sending_ = 0;
  std::size_t payloads_arriving_ = 0;
};

MpiTransport::MpiTransport(Memory& memory, Counters& counters)
    : impl_(std::make_unique<Impl>(memory, counters)) {}
MpiTransport::~MpiTransport() = default;

void MpiTransport::send(Rank to, Message message) { impl_->send(to, std::move(message)); }
std::optional<Received> MpiTransport::receive() { return impl_->receive(); }
bool MpiTransport::progress() { return impl_->progress(); }
bool MpiTransport::bulk_outstanding() const { return impl_->bulk_outstanding(); }
bool MpiTransport::sending() const { return impl_->sending(); }
void MpiTransport::withdraw() { impl_->withdraw(); }

}  // namespace copper
