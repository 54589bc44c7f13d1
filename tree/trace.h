// A recorded trace: what one program asked of a cold mount, in order, with the time that it thought in
// between, and what each request made the front end ask of its rank. Recorded by the front end, replayed by
// the simulator. The kernel's caches were cold and everything stayed fresh, so each name is looked up once
// and each block read once: what a second process of the same node would ask the kernel answers itself.
//
// As text: lines; a path is named by its number from its first use on.
//
//   copper-trace 1
//   # any number of comments: the command, what it was recorded on
//   distinct /path/below/which/each/process/has/files/of/its/own          (any number; may be absent)
//   path 0 /usr/lib/python3                                               (before its first use; %XX: a byte)
//   <think us> <op> <path number> <block>
//    <kind> <path number> <block> <bytes, or -errno>                      (indented: asked for the request
//    above it)
//
// Pure text and values: no file is opened here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "tree/key.h"
#include "tree/outcome.h"

namespace copper {

enum class TraceOp : std::uint8_t {
  lookup,   // a name: what it is, or that it is absent
  getattr,  // attributes, where the kernel had none that were fresh
  readdir,  // a directory's names
  read,     // the first touch of a block of a file
  readlink,
  statfs,
  ioctl,  // isatty and the like: the kernel remembers no answer, so each process asks again
};

// One thing that the front end had to ask of its rank.
struct TraceQuestion {
  Kind kind = Kind::entry;
  std::uint32_t path = 0;  // index into Trace::paths
  std::uint32_t block = 0;
  std::uint32_t bytes = 0;  // of the answer; 0 where it was an error
  int error = 0;            // errno, 0: none
};

struct TraceRequest {
  Duration
      think{};  // no request of this program was under way for so long, since the request before this one
  TraceOp op = TraceOp::lookup;
  std::uint32_t path = 0;
  std::uint32_t block = 0;  // read
  std::vector<TraceQuestion>
      questions;  // in the order of asking; empty: answered from what the front end held
};

struct Trace {
  std::vector<std::string> comments;
  std::vector<std::string> distinct;  // below these paths each process has files of its own
  std::vector<std::string> paths;     // absolute, of the source
  std::vector<TraceRequest> requests;
};

// The trace, or one line that says what is wrong and in which line of the text.
std::variant<Trace, std::string> parse_trace(std::string_view text);

// Writes a trace piece by piece, for a recorder that appends to a file; parse_trace() reads what they add up
// to.
class TraceWriter {
 public:
  // What a trace begins with.
  std::string begin(const std::vector<std::string>& comments, const std::vector<std::string>& distinct);
  // One request, with the paths that it is the first to name. `path` and the questions' paths as text.
  struct Question {
    Key key;
    Result<std::uint32_t> bytes = 0u;
  };
  std::string request(Duration think, TraceOp op, std::string_view path, std::uint32_t block,
                      const std::vector<Question>& questions);

 private:
  std::uint32_t number(std::string_view path, std::string& out);
  std::unordered_map<std::string, std::uint32_t> numbers_;
};

}  // namespace copper
