#include "tree/engine.h"

#include <algorithm>
#include <utility>

#include "tree/assert.h"
#include "tree/limits.h"

namespace copper {
namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

std::uint32_t generation(Client client) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(client) >> 32);
}

// Its bytes are on their way, and it comes once more with them.
bool arriving(const Message& message) {
  const auto* answer = std::get_if<Answer>(&message);
  return answer != nullptr && answer->arrival != nullptr;
}

}  // namespace

Engine::Engine(Node& node, Transport& transport, Storage& storage, Clients& clients, Reporter reporter,
               Profiler profiler)
    : node_(node),
      transport_(transport),
      storage_(storage),
      clients_(clients),
      reporter_(std::move(reporter)),
      profiler_(std::move(profiler)),
      readiness_(node.self(), node.topology()),
      census_taker_(node.self(), node.topology()),
      clearing_(node) {}

std::size_t Engine::turn(Instant now) {
  std::size_t events = 0;
  for (std::size_t n = 0; n < limits::events_per_turn; ++n, ++events) {
    auto received = transport_.receive();
    if (!received) break;
    on_received(std::move(*received), now);
  }
  for (std::size_t n = 0; n < limits::events_per_turn; ++n, ++events) {
    const auto event = clients_.event();
    if (!event) break;
    on_event(*event, now);
  }
  for (std::size_t n = 0; n < limits::events_per_turn; ++n, ++events) {
    auto loaded = storage_.loaded();
    if (!loaded) break;
    node_.on_loaded(std::move(*loaded), now, actions_);
  }
  events += on_time(now);
  carry_out(now);
  return events;
}

std::optional<Instant> Engine::deadline() const {
  std::optional<Instant> first;
  for (const auto due :
       {readiness_.deadline(), census_taker_.deadline(), clearing_.deadline(), node_.deadline()})
    if (due && (!first || *due < *first)) first = due;
  return first;
}

void Engine::on_received(Received received, Instant now) {
  auto& counters = node_.counters();
  if (!arriving(received.message)) {
    counters.add(Counter::messages_received);
    counters.add(Counter::bytes_received, payload_of(received.message).size);
  }
  const auto from = received.from;
  const auto believe = [&](bool good) {
    if (!good) counters.add(Counter::messages_refused);
  };
  std::visit(Overloaded{
                 [&](ReadyRanks& ready) { believe(readiness_.on_ranks(from, ready, now, actions_)); },
                 [&](Count& count) {
                   const auto mine = [&](Scope scope) { return own(scope, now); };
                   believe(census_taker_.on_count(from, count, mine, now, actions_));
                 },
                 [&](Portion& portion) { believe(census_taker_.on_portion(from, portion)); },
                 [&](Counted& counted) { believe(census_taker_.on_counted(from, counted, actions_)); },
                 [&](Clear& clear) { believe(clearing_.on_clear(from, clear, now, actions_)); },
                 [&](Cleared& cleared) { believe(clearing_.on_cleared(from, cleared, actions_)); },
                 [&](auto& other) { node_.on_message(from, std::move(other), now, actions_); },
             },
             received.message);
}

template <class Gone>
void Engine::went_away(Gone gone) {
  std::erase_if(asked_stats_, [&](const auto& who) { return who.second && gone(*who.second); });
  std::erase_if(asked_clear_, [&](const auto& who) { return gone(who.second); });
}

void Engine::on_event(const Event& event, Instant now) {
  std::visit(
      Overloaded{
          [&](const Question& question) {
            node_.on_ask(question.client, question.key, question.have, now, actions_);
          },
          [&](const Cancel& cancel) {
            node_.on_cancel(cancel.client);
            went_away([&](Client client) { return client == cancel.client; });
          },
          [&](const Control& control) { on_control(control, now); },
          [&](const FrontEndCleared& cleared) { clearing_.on_front_end_cleared(cleared.number, actions_); },
          [&](const Mounted&) { readiness_.on_mounted(now, actions_); },
          [&](const WorkerGone& worker) {
            const auto gone = [&](Client client) { return generation(client) <= worker.generation; };
            node_.on_clients_gone(gone);
            went_away(gone);
          },
      },
      event);
}

void Engine::on_control(const Control& control, Instant now) {
  switch (control.op) {
    case ControlOp::status:
      return report(control.client, Status{}, now);
    case ControlOp::stats:
      asked_stats_.emplace(begin(Scope::counters, now), control.client);
      return;
    case ControlOp::clear:
      if (const auto number = clearing_.begin(control.path, now, actions_)) {
        asked_clear_.emplace(*number, control.client);
      } else {
        report(control.client, Clearance{0, node_.self()}, now);
      }
      return;
  }
}

Census Engine::own(Scope scope, Instant now) const {
  Census census{node_.counters(), 1, {}};
  if (scope != Scope::counters && profiler_) census.profile = profiler_(scope, *this, now);
  return census;
}

std::uint64_t Engine::begin(Scope scope, Instant now) {
  return census_taker_.begin(
      scope, [&](Scope wanted) { return own(wanted, now); }, now, actions_);
}

std::uint64_t Engine::begin_census(Scope scope, Instant now) {
  const auto number = begin(scope, now);
  asked_stats_.emplace(number, std::nullopt);
  carry_out(now);
  return number;
}

std::optional<CensusTaker::Taken> Engine::census_taken() {
  if (censuses_.empty()) return std::nullopt;
  auto taken = std::move(censuses_.front());
  censuses_.pop_front();
  return taken;
}

void Engine::report(Client client, const Subject& subject, Instant now) {
  clients_.reply_control(client, reporter_(subject, *this, now));
}

std::size_t Engine::on_time(Instant now) {
  std::size_t events = 0;
  if (const auto due = node_.deadline(); due && *due <= now) {
    node_.on_time(now, actions_);
    ++events;
  }
  if (const auto due = readiness_.deadline(); due && *due <= now) {
    readiness_.on_time(now, actions_);
    ++events;
  }
  census_taker_.on_time(now, actions_);
  for (; auto taken = census_taker_.taken(now); ++events) {
    const auto asked = asked_stats_.find(taken->number);
    if (asked == asked_stats_.end()) continue;  // it went away
    if (asked->second)
      report(*asked->second, taken->census, now);
    else
      censuses_.push_back(std::move(*taken));
    asked_stats_.erase(asked);
  }
  if (const auto due = clearing_.deadline(); due && *due <= now) {
    clearing_.on_time(now, actions_);
    ++events;
  }
  for (; auto taken = clearing_.taken(now); ++events) {
    const auto asked = asked_clear_.find(taken->number);
    if (asked == asked_clear_.end()) continue;
    report(asked->second, taken->clearance, now);
    asked_clear_.erase(asked);
  }
  return events;
}

void Engine::carry_out(Instant now) {
  for (auto& action : actions_) {
    std::visit(Overloaded{
                   [&](Send& send) {
                     const auto bytes = payload_of(send.message).size;
                     if (!transport_.send(send.to, std::move(send.message)))
                       return node_.counters().add(Counter::publications_left_out);
                     node_.counters().add(Counter::messages_sent);
                     node_.counters().add(Counter::bytes_sent, bytes);
                   },
                   [&](Load& load) { storage_.load(std::move(load)); },
                   [&](const Reply& reply) { clients_.reply(reply, now); },
                   [&](const Notice& notice) { clients_.notice(notice.key); },
                   [&](const ClearFrontEnd& clear) { clients_.clear(clear.path, clear.number); },
               },
               action);
  }
  actions_.clear();
}

}  // namespace copper
