// A rank among hostile ones: messages of any neighbour in any order, their segments, its own clients, storage
// and time. Whatever comes, it goes on, sends nothing that cannot be sent, and answers no client twice.
//
// Input: steps {what, who, length, body}; the last bits of `what` say what the body is.
#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "test/fuzz/fuzz.h"
#include "test/fuzz/sealed_message.h"
#include "tree/engine.h"
#include "tree/flow/inbox.h"

namespace copper {
namespace {

constexpr std::uint32_t ranks = 7;
constexpr std::size_t segment_bytes = 16 << 10;  // shorter than the real ones: more of them come

class HostileTransport final : public Transport {
 public:
  explicit HostileTransport(Inbox& inbox) : inbox_(inbox) {}

  bool send(Rank to, Message message) override {
    must(number(to) < ranks, "a message goes to one of the ranks");
    const auto payload = payload_of(message);
    if (payload.there() == payload.size || payload.size > limits::inline_bytes) {
      encode(message, payload.size > limits::inline_bytes ? 1 : 0, bytes_);
      touch({payload.data.get(), payload.there()});
    }
    return true;
  }
  std::optional<Received> receive() override { return inbox_.receive(); }

 private:
  Inbox& inbox_;
  std::vector<std::byte> bytes_;
};

class QuickStorage final : public Storage {
 public:
  void load(Load load) override {
    must(valid(load.key), "only a valid key reaches storage");
    const auto kind = ++count_ % 4;
    const bool unchanged = kind == 0 && load.previous;
    Loaded loaded{.key = std::move(load.key), .unchanged = unchanged, .fresh_for = std::chrono::seconds(1)};
    if (kind == 1) {
      loaded.value = Errno{count_ % 8 == 1 ? ENOENT : ESTALE};
    } else if (!unchanged) {
      loaded.value = Bytes::copy_of(std::string(100 * count_ % 20'000, 'x'));
      loaded.tag = tag_of(loaded.value->span());
    }
    loaded_.push_back(std::move(loaded));
  }
  std::optional<Loaded> loaded() override {
    if (loaded_.empty()) return std::nullopt;
    auto first = std::move(loaded_.front());
    loaded_.pop_front();
    return first;
  }

 private:
  std::size_t count_ = 0;
  std::deque<Loaded> loaded_;
};

class FewClients final : public Clients {
 public:
  void ask(Event event) {
    if (const auto* question = std::get_if<Question>(&event)) waiting_.insert(question->client);
    if (const auto* control = std::get_if<Control>(&event)) waiting_.insert(control->client);
    if (const auto* cancel = std::get_if<Cancel>(&event)) cancelled_ = cancel->client;
    events_.push_back(std::move(event));
  }
  std::optional<Event> event() override {
    if (events_.empty()) return std::nullopt;
    auto first = std::move(events_.front());
    events_.pop_front();
    if (const auto* cancel = std::get_if<Cancel>(&first)) waiting_.erase(cancel->client);
    return first;
  }
  void reply(const Reply& reply, Instant) override {
    must(waiting_.erase(reply.client) == 1, "a client is answered once");
    if (reply.outcome.value.ok()) touch(reply.outcome.value->span());
  }
  void reply_control(Client client, const std::string&) override {
    must(waiting_.erase(client) == 1, "a client is answered once");
  }
  void notice(const Key& key) override { must(valid(key), "a notice is of a valid key"); }
  void clear(const Path& path, std::uint64_t number) override {
    must(valid_path(path), "a clear is of a valid path");
    events_.push_back(FrontEndCleared{number});
  }
  bool waits(Client client) const { return waiting_.contains(client); }

 private:
  std::deque<Event> events_;
  std::set<Client> waiting_;
  Client cancelled_{};
};

class Rig {
 public:
  explicit Rig(std::uint32_t self)
      : topology_(ranks, Fanouts{2, 2}, 2),
        node_(Rank{self % ranks}, topology_, {.store_bytes = 200'000}),
        damage_(node_.counters(), {}),
        inbox_(memory_, damage_, segment_bytes),
        transport_(inbox_),
        engine_(node_, transport_, storage_, clients_,
                [](const Subject&, const Engine&, Instant) { return std::string(); }) {}

  void step(std::uint8_t what, std::uint8_t who, std::span<const std::byte> body) {
    switch (what % 5) {
      case 0:
      case 1:
        message(Rank{who % ranks}, Tree{what / 128u}, body);
        break;
      case 2:
        segment(who, body);
        break;
      case 3:
        client(what, who, body);
        break;
      case 4:
        now_ += std::chrono::milliseconds{1} * (1 << who % 16);
        break;
    }
    for (int turn = 0; turn < 8 && engine_.turn(now_) > 0; ++turn) inbox_.tag_arrived();
    (void)engine_.node().waiting(now_, 10);
  }

 private:
  // As service/mpi/transport.cpp takes a header.
  void message(Rank from, Tree tree, std::span<const std::byte> body) {
    const auto bytes = sealed_message(body);
    auto header = decode(bytes);
    if (!header || tree_of(header->message, topology_) != tree) return;
    if (const auto ticket = inbox_.header(from, tree, std::move(*header)))
      for (std::size_t n = 0; n < inbox_.segments(*ticket); ++n) segments_.push_back({*ticket, n});
  }

  void segment(std::uint8_t which, std::span<const std::byte> body) {
    if (segments_.empty()) return;
    const auto at = segments_.begin() + which % static_cast<std::ptrdiff_t>(segments_.size());
    const auto [ticket, n] = *at;
    segments_.erase(at);
    const auto room = inbox_.room(ticket, n);
    std::ranges::fill(room, body.empty() ? std::byte{'x'} : body[0]);
    inbox_.segment(ticket, n, body.size() > 1 ? std::to_integer<std::size_t>(body[1]) : room.size());
  }

  void client(std::uint8_t what, std::uint8_t who, std::span<const std::byte> body) {
    const Client client{who % 16u};
    if (what >= 240) return clients_.ask(Mounted{});
    if (what >= 200) return clients_.ask(Cancel{client});
    if (clients_.waits(client)) return;
    const Path path(std::string_view(reinterpret_cast<const char*>(body.data()), body.size()));
    if (what >= 180) {
      const ControlOp op{1u + who % 3u};
      if (op != ControlOp::clear || valid_path(path)) clients_.ask(Control{client, op, path});
      return;
    }
    Key key{Kind{static_cast<std::uint8_t>(1 + what / 5 % 4)}, 0, path, {}};
    if (key.kind == Kind::block) key.version.size = 1 << 20;
    if (valid(key)) clients_.ask(Question{client, key, what % 2u});
  }

  Topology topology_;
  Node node_;
  HeapMemory memory_;
  DamageReport damage_;
  Inbox inbox_;
  HostileTransport transport_;
  QuickStorage storage_;
  FewClients clients_;
  Engine engine_;
  Instant now_{std::chrono::seconds(1)};
  std::vector<std::pair<Inbox::Ticket, std::size_t>> segments_;
};

}  // namespace
}  // namespace copper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  copper::FuzzInput input(data, size);
  copper::Rig rig(input.byte());
  for (int step = 0; step < 100 && !input.empty(); ++step) {
    const auto what = input.byte();
    const auto who = input.byte();
    rig.step(what, who, input.bytes(input.take<std::uint16_t>()));
  }
  return 0;
}
