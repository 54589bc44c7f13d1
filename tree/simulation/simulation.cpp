#include "tree/simulation/simulation.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "tree/limits.h"
#include "tree/simulation/failure.h"

namespace copper::simulation {

// Longer than anything takes.
constexpr auto patience = std::chrono::hours{1};

// One rank: the product's node and engine, and the simulated half of each port.
class Simulation::Machine final : Storage, Clients {
 public:
  Machine(Simulation& simulation, Rank self)
      : simulation_(simulation),
        self_(self),
        port_(simulation.network_.port(self)),
        node_(self, simulation.topology_, simulation.options_),
        engine_(
            node_, port_, *this, *this,
            [this](const Subject& subject, const Engine&, Instant) {
              subject_ = subject;
              return std::string();
            },
            [this](Scope, const Engine&, Instant) { return profile(); }) {}

  const Node& node() const { return node_; }
  const Engine& engine() const { return engine_; }
  // What it has counted, once more in another form.
  Profile profile() const {
    Profile profile;
    for (const auto value : node_.counters().values()) profile.counters.push_back(Spread::of(value, self_));
    return profile;
  }
  bool owes_nothing() const { return owed_.empty(); }

  // Something has happened to the front end.
  void happens(const Event& event) {
    if (const auto* question = std::get_if<Question>(&event)) owe(question->client);
    if (const auto* control = std::get_if<Control>(&event)) owe(control->client);
    events_.push_back(event);
    wake(Cause::doorbell);
  }
  void take_census(Scope scope) {
    census_wanted_ = scope;
    wake(Cause::doorbell);
  }
  void wake(Cause cause) {
    if (!stopped_) wake_at(simulation_.world_.wakes(self_, cause, simulation_.now()));
  }
  void stop() {
    stopped_ = true;
    wakes_at_.reset();
    simulation_.network_.cut_off(self_);
  }
  bool stopped() const { return stopped_; }
  bool idle() const { return port_.idle(); }
  Counters counters() const {
    auto all = node_.counters();
    all.add(port_.counters());
    return all;
  }

 private:
  enum class Debt { waiting, cancelled };

  std::vector<std::pair<Client, Debt>>::iterator find(Client client) {
    return std::find_if(owed_.begin(), owed_.end(), [&](const auto& owed) { return owed.first == client; });
  }
  void pay_off(std::vector<std::pair<Client, Debt>>::iterator owed) {
    *owed = owed_.back();
    owed_.pop_back();
  }

  void owe(Client client) {
    expect(find(client) == owed_.end(), "a client asks one question at a time");
    owed_.emplace_back(client, Debt::waiting);
  }

  // ---- turns
  void wake_at(Instant when) {
    if (wakes_at_ && *wakes_at_ <= when) return;
    wakes_at_ = when;
    simulation_.queue_.at(when, [this, when] {
      if (wakes_at_ != when) return;  // has been woken before
      wakes_at_.reset();
      turn();
    });
  }

  void turn() {
    const auto now = simulation_.now();
    port_.begin_turn();
    if (const auto scope = std::exchange(census_wanted_, std::nullopt)) engine_.begin_census(*scope, now);
    engine_.turn(now);
    while (const auto taken = engine_.census_taken()) {
      note(8, taken->census.ranks);
      simulation_.application_.on_census(self_, taken->census);
    }
    port_.end_turn();
    for (const auto client : cancelled_in_this_turn_)
      if (const auto owed = find(client); owed != owed_.end()) pay_off(owed);
    cancelled_in_this_turn_.clear();
    expect(node_.store().bytes() <= node_.store().bound(), "a store is within its bound");
    if (port_.has_received() || !events_.empty() || !loaded_.empty()) wake(Cause::doorbell);
    if (const auto deadline = engine_.deadline()) wake_by(std::max(*deadline, now));
  }
  // A turn by that time, if it is due then: most deadlines are put off before they come.
  void wake_by(Instant when) {
    if (timer_ && *timer_ <= when) return;
    timer_ = when;
    simulation_.queue_.at(when, [this, when] {
      if (timer_ != when) return;
      timer_.reset();
      const auto deadline = engine_.deadline();
      if (stopped_ || !deadline) return;
      if (*deadline <= when) return wake_at(when);
      wake_by(*deadline);
    });
  }

  bool whole() const { return simulation_.detail_ == Detail::whole; }
  void takes(Work work) { simulation_.world_.takes(self_, work, 0, simulation_.now()); }

  // ---- Storage
  void load(Load load) override {
    simulation_.storage_.begin(load.key, simulation_.now());
    const auto looks = simulation_.world_.looks(self_, load, simulation_.now());
    simulation_.queue_.at(looks, [this, load = std::move(load)] {
      auto loaded = simulation_.storage_.look(load, simulation_.now());
      note(2, loaded.tag);
      const auto arrives = simulation_.world_.loads(self_, loaded, simulation_.now());
      simulation_.queue_.at(arrives, [this, loaded = std::move(loaded)]() mutable {
        simulation_.storage_.end(loaded.key);
        loaded_.push_back(std::move(loaded));
        wake(Cause::doorbell);
      });
    });
  }
  std::optional<Loaded> loaded() override {
    if (loaded_.empty()) return std::nullopt;
    auto loaded = std::move(loaded_.front());
    loaded_.pop_front();
    takes(Work::loaded);
    return loaded;
  }

  // ---- Clients
  std::optional<Event> event() override {
    if (events_.empty()) return std::nullopt;
    std::optional<Event> event(std::move(events_.front()));
    events_.pop_front();
    takes(Work::question);
    // From the end of this turn on, who cancelled is owed nothing; until then an answer may cross the
    // cancellation.
    if (const auto* cancel = std::get_if<Cancel>(&*event)) give_up(cancel->client);
    if (const auto* gone = std::get_if<WorkerGone>(&*event))
      for (const auto& [client, debt] : owed_)
        if (static_cast<std::uint64_t>(client) >> 32 <= gone->generation) give_up(client);
    return event;
  }
  void give_up(Client client) {
    const auto owed = find(client);
    if (owed == owed_.end()) return;
    owed->second = Debt::cancelled;
    cancelled_in_this_turn_.push_back(client);
  }
  // True where the client still wants it.
  bool pay(Client client) {
    const auto owed = find(client);
    expect(owed != owed_.end(), "nobody is answered twice, or without having asked, or after cancelling");
    const bool wanted = owed->second == Debt::waiting;
    if (wanted) pay_off(owed);
    return wanted;
  }
  void reply(const Reply& reply, Instant) override {
    note(3, static_cast<std::uint64_t>(reply.client));
    note(4, reply.outcome.value.ok() ? reply.outcome.tag
                                     : static_cast<Tag>(number(reply.outcome.value.error())));
    simulation_.last_progress_ = simulation_.now();
    if (pay(reply.client)) simulation_.application_.on_reply(self_, reply);
  }
  void reply_control(Client client, const std::string&) override {
    simulation_.last_progress_ = simulation_.now();
    if (const auto* census = std::get_if<Census>(&subject_)) {
      note(5, census->ranks);
      if (pay(client)) simulation_.application_.on_report(self_, client, *census);
    } else if (const auto* clearance = std::get_if<Clearance>(&subject_)) {
      note(7, clearance->ranks);
      if (pay(client)) simulation_.application_.on_clearance(self_, client, *clearance);
    }
  }
  void notice(const Key& key) override {
    note(6, KeyHash{}(key));
    simulation_.application_.on_notice(self_, key);
  }
  void clear(const Path&, std::uint64_t number) override { happens(FrontEndCleared{number}); }

  // Into the digest.
  void note(std::uint64_t kind, std::uint64_t detail) {
    if (!whole()) return;
    simulation_.digest_.add(static_cast<std::uint64_t>(simulation_.now().time_since_epoch().count()));
    simulation_.digest_.add(kind << 32 | number(self_));
    simulation_.digest_.add(detail);
  }

  Simulation& simulation_;
  Rank self_;
  std::optional<Instant> wakes_at_;
  std::optional<Instant> timer_;
  bool stopped_ = false;
  std::optional<Scope> census_wanted_;
  std::deque<Loaded> loaded_;
  std::deque<Event> events_;
  std::vector<std::pair<Client, Debt>> owed_;
  std::vector<Client> cancelled_in_this_turn_;
  Subject subject_;  // the one being reported
  SimulatedNetwork::Port& port_;
  Node node_;
  Engine engine_;
};

Simulation::Simulation(const Topology& topology, const NodeOptions& options, World& world,
                       SimulatedStorage& storage, Application& application, Detail detail,
                       const FlowLimits& flow)
    : topology_(topology),
      options_(options),
      world_(world),
      storage_(storage),
      application_(application),
      detail_(detail),
      network_(
          topology_, world, queue_, detail, digest_,
          [this](Rank rank, Cause cause) { machine(rank).wake(cause); }, flow) {
  for (std::uint32_t n = 0; n < topology.ranks(); ++n)
    machines_.push_back(std::make_unique<Machine>(*this, Rank{n}));
}

Simulation::~Simulation() = default;

void Simulation::ask(Rank rank, Client client, const Key& key, Tag have) {
  last_progress_ = now();
  machine(rank).happens(Question{client, key, have});
}
void Simulation::ask_stats(Rank rank, Client client) {
  machine(rank).happens(Control{client, ControlOp::stats});
}
void Simulation::take_census(Rank rank, Scope scope) { machine(rank).take_census(scope); }
void Simulation::clear(Rank rank, Client client, const Path& path) {
  machine(rank).happens(Control{client, ControlOp::clear, path});
}
void Simulation::cancel(Rank rank, Client client) { machine(rank).happens(Cancel{client}); }
void Simulation::worker_gone(Rank rank, std::uint32_t generation) {
  machine(rank).happens(WorkerGone{generation});
}
void Simulation::mounted(Rank rank) { machine(rank).happens(Mounted{}); }

void Simulation::stop(Rank rank) { machine(rank).stop(); }
bool Simulation::stopped(Rank rank) const { return machine(rank).stopped(); }

void Simulation::run() {
  while (queue_.step())
    expect(now() - last_progress_ < patience, "somebody waits for ever: ranks only look whether others live");
}

void Simulation::check() const {
  bool all_live = true;
  for (const auto& machine : machines_) {
    const auto& node = machine->node();
    all_live = all_live && !machine->stopped();
    if (machine->stopped()) continue;
    const auto name = "rank " + std::to_string(number(node.self())) + ": ";
    expect(machine->owes_nothing(), name + "somebody was never answered");
    expect(node.store().questions() == 0, name + "something is pending");
    expect(node.store().waiting_clients() == 0, name + "somebody is waiting");
    expect(node.store().bytes() <= node.store().bound(), name + "the store is within its bound");
    expect(!machine->engine().deadline(), name + "something is still due");
  }
  const auto all = counters();
  // What is passed on while its sender dies is ended with anything.
  const bool damaged = network_.damaged() > 0;
  expect(all[Counter::messages_damaged] == 0 || all[Counter::peers_dead] > 0 || damaged,
         "no message was damaged");
  expect(all[Counter::messages_refused] == 0, "nobody says what is not its to say");
  if (all_live) {
    for (const auto& machine : machines_)
      expect(machine->idle(), "all that was sent has left and been taken");
    expect(all[Counter::messages_sent] == all[Counter::messages_received] + network_.damaged(),
           "what was sent was received");
    if (all[Counter::messages_damaged] == 0)
      expect(all[Counter::bytes_sent] == all[Counter::bytes_received], "payloads sent were received");
  }
  const auto loads = all[Counter::loads_listing] + all[Counter::loads_entry] + all[Counter::loads_block] +
                     all[Counter::loads_filesystem];
  expect(loads == storage_.loads(), "ranks and storage count the same loads");
}

const Engine& Simulation::engine(Rank rank) const { return machine(rank).engine(); }

Counters Simulation::counters() const {
  Counters sum;
  for (const auto& machine : machines_) sum.add(machine->counters());
  return sum;
}

}  // namespace copper::simulation
