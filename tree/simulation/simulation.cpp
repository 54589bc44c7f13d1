#include "tree/simulation/simulation.h"

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "tree/limits.h"
#include "tree/simulation/failure.h"
#include "tree/simulation/simulated_index.h"

namespace copper::simulation {

// Longer than anything takes.
constexpr auto patience = std::chrono::hours{1};

// One rank: the product's node and engine, and the simulated half of each port.
class Simulation::Machine final : Storage, Clients {
 public:
  Machine(Simulation& simulation, Rank self)
      : simulation_(simulation), self_(self), process_(std::make_unique<Process>(*this)) {}

  // Whoever looks before asking: the answer, where it is ready.
  std::optional<Reply> find(Client client, const Key& key, Tag have) {
    const auto* found = process_->index.find(key);
    if (found == nullptr || stopped_ || !found->fresh(simulation_.now())) return std::nullopt;
    happens(FoundReady{key});
    return Reply{client, have != 0 && have == found->tag, *found};
  }
  bool index_is_true() const { return !whole() || process_->index.is_of(node().store()); }

  void end() { former_ = counters(); }
  // Another rank in this one's place, after end(). The network's port is new.
  void restart() {
    const auto now = simulation_.now();
    for (const auto& key : loads_) simulation_.storage_.end(key);
    loads_.clear();
    loaded_.clear();
    events_.clear();
    cancelled_in_this_turn_.clear();
    std::erase_if(owed_, [](const Owed& owed) { return owed.debt == Debt::cancelled; });
    stopped_ = false;
    auto former = std::exchange(process_, std::make_unique<Process>(*this));
    for (const auto& [key, outcome] : former->index.outcomes()) process_->node.adopt(key, outcome, now);
    if (const auto census = std::exchange(census_under_way_, std::nullopt)) census_wanted_ = census;
    if (mounted_) events_.push_back(Mounted{});
    for (const auto& owed : owed_) events_.push_back(owed.event);
    wake(Cause::doorbell);
  }

  const Node& node() const { return process_->node; }
  const Engine& engine() const { return process_->engine; }
  // What it has counted, once more in another form.
  Profile profile() const {
    Profile profile;
    for (const auto value : node().counters().values()) profile.counters.push_back(Spread::of(value, self_));
    return profile;
  }
  bool owes_nothing() const { return owed_.empty(); }

  // Something has happened to the front end.
  void happens(const Event& event) {
    if (const auto* question = std::get_if<Question>(&event)) owe(question->client, event);
    if (const auto* control = std::get_if<Control>(&event)) owe(control->client, event);
    mounted_ = mounted_ || std::holds_alternative<Mounted>(event);
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
  void watch_neighbours() {
    process_->node.watch_neighbours(simulation_.now());
    wake(Cause::doorbell);
  }
  void stop() {
    stopped_ = true;
    wakes_at_.reset();
    simulation_.network_.cut_off(self_);
  }
  bool stopped() const { return stopped_; }
  bool idle() const { return port().idle(); }
  // Of this rank and its predecessors.
  Counters counters() const {
    auto all = former_;
    all.add(node().counters());
    all.add(port().counters());
    return all;
  }

 private:
  enum class Debt { waiting, cancelled };
  struct Owed {
    Client client{};
    Debt debt{};
    Event event;  // what it asked
  };

  // What dies with the rank.
  struct Process {
    explicit Process(Machine& machine)
        : node(machine.self_, machine.simulation_.topology_, machine.simulation_.options_,
               machine.whole() ? &index : nullptr),
          engine(
              node, machine.port(), machine, machine,
              [&machine](const Subject& subject, const Engine&, Instant) {
                machine.subject_ = subject;
                return std::string();
              },
              [&machine](Scope, const Engine&, Instant) { return machine.profile(); }) {}
    SimulatedIndex index;
    Node node;
    Engine engine;
  };

  SimulatedNetwork::Port& port() const { return simulation_.network_.port(self_); }

  std::vector<Owed>::iterator owed(Client client) {
    return std::find_if(owed_.begin(), owed_.end(), [&](const Owed& owed) { return owed.client == client; });
  }
  void pay_off(std::vector<Owed>::iterator debt) {
    std::swap(*debt, owed_.back());
    owed_.pop_back();
  }

  void owe(Client client, const Event& event) {
    expect(owed(client) == owed_.end(), "a client asks one question at a time");
    owed_.push_back({client, Debt::waiting, event});
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
    port().begin_turn();
    auto& rank = process_->engine;
    if (const auto scope = std::exchange(census_wanted_, std::nullopt)) {
      rank.begin_census(*scope, now);
      census_under_way_ = scope;
    }
    rank.turn(now);
    while (const auto taken = rank.census_taken()) {
      census_under_way_.reset();
      note(8, taken->census.ranks);
      simulation_.application_.on_census(self_, taken->census);
    }
    port().end_turn();
    for (const auto client : cancelled_in_this_turn_)
      if (const auto debt = owed(client); debt != owed_.end()) pay_off(debt);
    cancelled_in_this_turn_.clear();
    expect(node().store().bytes() <= node().store().bound(), "a store is within its bound");
    if (port().has_received() || !events_.empty() || !loaded_.empty()) wake(Cause::doorbell);
    if (const auto deadline = engine().deadline()) wake_by(std::max(*deadline, now));
  }
  // A turn by that time, if it is due then: most deadlines are put off before they come.
  void wake_by(Instant when) {
    if (timer_ && *timer_ <= when) return;
    timer_ = when;
    simulation_.queue_.at(when, [this, when] {
      if (timer_ != when) return;
      timer_.reset();
      const auto deadline = engine().deadline();
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
    if (whole()) loads_.insert(load.key);
    const auto looks = simulation_.world_.looks(self_, load, simulation_.now());
    simulation_.queue_.at(looks, [this, restarts = simulation_.restarts_, load = std::move(load)] {
      if (restarts != simulation_.restarts_) return;
      auto loaded = simulation_.storage_.look(load, simulation_.now());
      note(2, loaded.tag);
      const auto arrives = simulation_.world_.loads(self_, loaded, simulation_.now());
      simulation_.queue_.at(arrives, [this, restarts, loaded = std::move(loaded)]() mutable {
        if (restarts != simulation_.restarts_) return;
        loads_.erase(loaded.key);
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
      for (const auto& owed : owed_)
        if (static_cast<std::uint64_t>(owed.client) >> 32 <= gone->generation) give_up(owed.client);
    return event;
  }
  void give_up(Client client) {
    const auto debt = owed(client);
    if (debt == owed_.end()) return;
    debt->debt = Debt::cancelled;
    cancelled_in_this_turn_.push_back(client);
  }
  // True where the client still wants it.
  bool pay(Client client) {
    const auto debt = owed(client);
    expect(debt != owed_.end(), "nobody is answered twice, or without having asked, or after cancelling");
    const bool wanted = debt->debt == Debt::waiting;
    if (wanted) pay_off(debt);
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
  std::optional<Scope> census_wanted_, census_under_way_;
  std::deque<Loaded> loaded_;
  std::deque<Event> events_;
  std::unordered_set<Key, KeyHash> loads_;  // under way
  std::vector<Owed> owed_;
  std::vector<Client> cancelled_in_this_turn_;
  Subject subject_;  // the one being reported
  bool mounted_ = false;
  Counters former_;
  std::unique_ptr<Process> process_;
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
  if (look_first_) {
    if (auto found = machine(rank).find(client, key, have))
      return queue_.at(now(),
                       [this, rank, reply = std::move(*found)] { application_.on_reply(rank, reply); });
  }
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

void Simulation::watch_neighbours() {
  for (const auto& machine : machines_) machine->watch_neighbours();
}
void Simulation::stop(Rank rank) { machine(rank).stop(); }
void Simulation::restart() {
  ++restarts_;
  for (const auto& machine : machines_) machine->end();
  network_.restart();
  for (const auto& machine : machines_) machine->restart();
}
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
    expect(machine->index_is_true(), name + "the index is not what is ready");
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
    expect(
        restarts_ > 0 || all[Counter::messages_sent] == all[Counter::messages_received] + network_.damaged(),
        "what was sent was received");
    if (all[Counter::messages_damaged] == 0 && restarts_ == 0)
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
