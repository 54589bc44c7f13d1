// A trace made ready to be replayed by any number of nodes: its questions as keys that are built once, and
// storage's answers to them.
//
// Paths are renamed: a directory is "/d", a name in it "/d/n", both short numbers, so that a key of the
// tens of millions that a run holds needs no memory of its own. Keys of one directory still have one
// directory, so they still meet in one tree. A `distinct` path of the trace has ".NODE.PROCESS" behind its
// own number, what is below it behind its directory's: each process has files of its own.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tree/simulation/simulated_storage.h"
#include "tree/trace.h"

namespace copper::simulation {

class Workload {
 public:
  explicit Workload(const Trace& trace);

  struct Request {
    Duration think{};
    TraceOp op = TraceOp::lookup;
    std::uint32_t path = 0;
    std::uint32_t block = 0;
    bool own = false;    // each process makes it anew: it has files of its own, or the kernel keeps no answer
    bool opens = false;  // the first read of that path
    std::uint32_t bytes = 0;           // of file content that it brings into the page cache
    std::uint32_t first_question = 0;  // into questions()
    std::uint32_t questions = 0;
  };
  struct Question {
    Key key;  // valid(key); of the process 0 on node 0 where it is distinct: without its suffix
    bool distinct = false;
    bool distinct_name = false;  // the distinct path itself: the suffix is the name's, else the directory's
    std::uint32_t bytes = 0;
    int error = 0;
  };
  const std::vector<Request>& requests() const { return requests_; }
  const std::vector<Question>& questions() const { return questions_; }

  // What that process asks.
  Key key(const Question& question, std::uint32_t node, std::uint32_t process) const;

  std::uint64_t size(std::uint32_t path) const { return sizes_[path]; }  // of a file, as far as it was read

  // Each object once: what one node with one process asks.
  struct Objects {
    std::uint64_t questions = 0;
    std::uint64_t bytes = 0;  // of all answers
    std::uint64_t metadata_operations = 0;
    std::uint64_t reads = 0;
  };
  const Objects& objects() const { return objects_; }
  Duration thinking() const { return thinking_; }  // of one process

  struct Answer {
    std::uint32_t bytes = 0;
    int error = 0;
  };
  // To a key of any process. Throws Failure where the trace has none.
  Answer answer(const Key& key) const;

 private:
  Key make_key(const Trace& trace, const TraceQuestion& question) const;

  std::vector<Request> requests_;
  std::vector<Question> questions_;
  std::unordered_map<std::string, std::uint32_t> directories_;
  std::vector<std::uint64_t> sizes_;  // of files, by path number
  std::unordered_map<Key, Answer, KeyHash> answers_;
  Objects objects_;
  Duration thinking_{};
};

// Storage that answers what it answered when the trace was recorded. Everything stays fresh.
class TraceStorage final : public SimulatedStorage {
 public:
  explicit TraceStorage(const Workload& workload) : workload_(workload) {}

  void begin(const Key&, Instant) override { ++loads_; }
  Loaded look(const Load& load, Instant now) override;
  void end(const Key&) override {}
  std::uint64_t loads() const override { return loads_; }

 private:
  const Workload& workload_;
  std::uint64_t loads_ = 0;
};

}  // namespace copper::simulation
