// Which outcomes a node should keep when not all find room: the store's policy against LRU and FIFO, on what
// recorded programs asked their ranks. A node is asked by its own front end and by one child, and for every
// other object by a second child, so that all have it; then comes a scan of four times the budget, by the
// front end alone; then the second child asks for the rest: how much of it is still there? Counts only: no
// network, no time.
//
//     eviction_bench test/traces/import_torch.trace [--scan test/traces/find.trace]
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <list>
#include <sstream>
#include <unordered_map>
#include <vector>

#include "tree/limits.h"
#include "tree/node/store.h"
#include "tree/trace.h"

namespace {

using namespace copper;

struct Object {
  Key key;
  std::size_t bytes;
};
using Objects = std::vector<Object>;

std::size_t cost(const Object& object) { return object.bytes + object.key.path.size() + Store::overhead; }

// What the program asked of its rank, each once, in order.
Objects objects_of(const std::string& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  auto parsed = parse_trace(text.str());
  if (!in || std::holds_alternative<std::string>(parsed)) throw std::runtime_error(file + ": no trace");
  const auto& trace = std::get<Trace>(parsed);
  Objects objects;
  std::unordered_map<Key, bool, KeyHash> seen;
  for (const auto& request : trace.requests)
    for (const auto& asked : request.questions) {
      Key key{asked.kind, asked.block, trace.paths[asked.path], {}};
      if (seen.emplace(key, true).second) objects.push_back({key, asked.bytes});
    }
  return objects;
}

class Policy {
 public:
  virtual ~Policy() = default;
  virtual bool use(
      const Object& object) = 0;           // asked for: true where it was there; else it is kept from now on
  virtual void all_have(const Object&) {}  // who would ask for it here
};

// Least recently used, or first in.
class Queue final : public Policy {
 public:
  Queue(std::size_t budget, bool recent) : budget_(budget), recent_(recent) {}
  bool use(const Object& object) override {
    const auto found = places_.find(object.key);
    if (found != places_.end()) {
      if (recent_) order_.splice(order_.end(), order_, found->second);
      return true;
    }
    places_.emplace(object.key, order_.insert(order_.end(), object));
    for (used_ += cost(object); used_ > budget_; order_.pop_front()) {
      used_ -= cost(order_.front());
      places_.erase(order_.front().key);
    }
    return false;
  }

 private:
  std::size_t budget_;
  bool recent_;
  std::size_t used_ = 0;
  std::list<Object> order_;
  std::unordered_map<Key, std::list<Object>::iterator, KeyHash> places_;
};

// The product's.
class Stored final : public Policy {
 public:
  Stored(std::size_t budget, bool spends) : store_(budget), spends_(spends) {}
  bool use(const Object& object) override {
    if (store_.ready(object.key) != nullptr) {
      store_.touch(object.key);
      return true;
    }
    // Bytes that are counted and are not there.
    const Bytes bytes(std::shared_ptr<const std::byte>(std::shared_ptr<void>(), &nothing_), object.bytes);
    store_.keep(object.key, Ready{.outcome = {bytes, 1, Instant::max()}, .askers = {}});
    return false;
  }
  void all_have(const Object& object) override {
    if (spends_ && object.key.kind == Kind::block && store_.ready(object.key) != nullptr)
      store_.spend(object.key);
  }

 private:
  static constexpr std::byte nothing_{};
  Store store_;
  bool spends_;
};

struct Result {
  std::size_t bytes = 0;    // of what was awaited and had to be fetched again
  std::size_t objects = 0;  // the same, counted
};

Result run(Policy& policy, const Objects& program, const Objects& scan, std::size_t scan_bytes) {
  for (std::size_t n = 0; n < program.size(); ++n) {
    const bool all = n % 2 == 0;
    for (int asker = 0; asker < (all ? 3 : 2); ++asker) policy.use(program[n]);
    if (all) policy.all_have(program[n]);
  }
  std::uint32_t file = 0;
  for (std::size_t bytes = 0; bytes < scan_bytes; ++file) {
    for (auto object : scan) {
      object.key.path = "/scan" + std::to_string(file) + object.key.path.str();
      policy.use(object);
      bytes += cost(object);
    }
    const Object large{Key::file_block("/scan/large" + std::to_string(file), 0, {}), limits::block_bytes};
    policy.use(large);
    bytes += cost(large);
  }
  Result again;
  for (std::size_t n = 1; n < program.size(); n += 2) {
    if (policy.use(program[n])) continue;
    ++again.objects;
    again.bytes += program[n].bytes;
  }
  return again;
}

}  // namespace

int main(int argc, char** argv) {
  std::string program_file;
  std::string scan_file;
  CLI::App app("Which outcomes a node keeps, by policy and budget.", "eviction_bench");
  app.add_option("trace", program_file, "What the program asked")->required()->check(CLI::ExistingFile);
  app.add_option("--scan", scan_file, "What else is read meanwhile")->check(CLI::ExistingFile);
  CLI11_PARSE(app, argc, argv);
  const auto program = objects_of(program_file);
  const auto scan = scan_file.empty() ? Objects{} : objects_of(scan_file);
  std::size_t whole = 0;
  std::size_t awaited = 0;
  for (std::size_t n = 0; n < program.size(); ++n) {
    whole += cost(program[n]);
    if (n % 2 == 1) awaited += program[n].bytes;
  }
  fmt::print("{} objects, {} MiB; of the {} ({} MiB) still awaited are fetched again: MiB (objects)\n",
             program.size(), whole >> 20, program.size() / 2, awaited >> 20);
  fmt::print("{:>14} {:>16} {:>16} {:>16} {:>16}\n", "budget", "FIFO", "LRU", "S3-FIFO", "with spent first");
  for (const double part : {0.25, 0.5, 1.0, 1.5, 2.0}) {
    const auto budget = static_cast<std::size_t>(part * static_cast<double>(whole));
    Queue fifo(budget, false);
    Queue lru(budget, true);
    Stored s3(budget, false);
    Stored spent(budget, true);
    fmt::print("{:>7} of it  ", part);
    for (Policy* policy : std::initializer_list<Policy*>{&fifo, &lru, &s3, &spent}) {
      const auto again = run(*policy, program, scan, 4 * budget);
      fmt::print(" {:>7} ({:>6})", again.bytes >> 20, again.objects);
    }
    fmt::print("\n");
  }
  return 0;
}
