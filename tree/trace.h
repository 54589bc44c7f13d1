// A recorded trace: what one program asked of a cold mount, in order, with the time that it thought in
// between, and what each request made the front end ask of its rank. Recorded by the front end, replayed by
// the simulator. The kernel's caches were cold and everything stayed fresh, so each name is looked up once
// and each block read once: what a second process of the same node would ask the kernel answers itself.
//
// As text, in lines that each end with a line break, fields parted by single spaces; a path is named by its
// number from its first use on:
//
//   copper-trace 1                              the first line
//   # text                                      anywhere below: the command, what it was recorded on
//   distinct PATH                               before the first path: below it each process has files of
//                                               its own
//   path NUMBER PATH                            0, 1, 2, ...; before its first use, each path once
//   THINK_US OP PATH_NUMBER BLOCK               a request; BLOCK is 0 but for a read
//    KIND PATH_NUMBER BLOCK BYTES|-ERRNO        one space, then a question, asked for the request above it
//
// A PATH is absolute and printable ASCII; %XX stands for any other byte, a space or a percent sign. A read
// that spans two blocks is two requests, the second without thinking. Each page of a directory's names is a
// request of its own. A question that several requests asked belongs to the first of them; bytes are
// 0 where the rank said that what the asker holds is unchanged.
//
// Pure text and values: no file is opened here.
#pragma once

#include <cstddef>
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
  readdir,  // a page of a directory's names
  read,     // the first touch of a block of a file
  readlink,
  statfs,  // the kernel remembers no answer to these two, so each process asks again
  ioctl,   // isatty and the like
};

// One thing that the front end had to ask of its rank.
struct TraceQuestion {
  Kind kind = Kind::entry;
  std::uint32_t path = 0;   // index into Trace::paths
  std::uint32_t block = 0;  // of a file or a listing
  std::uint32_t bytes = 0;  // of the answer, at most limits::block_bytes; 0 where it was an error
  int error = 0;            // errno, 0: none
  friend bool operator==(const TraceQuestion&, const TraceQuestion&) = default;
};

struct TraceRequest {
  Duration think{};  // for so long nothing was asked of the mount, since the request before this one
  TraceOp op = TraceOp::lookup;
  std::uint32_t path = 0;                  // index into Trace::paths
  std::uint32_t block = 0;                 // of a read
  std::vector<TraceQuestion> questions{};  // as asked; none: answered from what the front end held
  friend bool operator==(const TraceRequest&, const TraceRequest&) = default;
};

struct Trace {
  std::vector<std::string> comments;
  std::vector<std::string> distinct;  // below these paths each process has files of its own
  std::vector<std::string> paths;     // of the source; each once
  std::vector<TraceRequest> requests;
  friend bool operator==(const Trace&, const Trace&) = default;
};

// No program thinks longer: a longer time is written as this, and refused when read. Some eleven days.
inline constexpr Duration trace_think_max = std::chrono::microseconds{1'000'000'000'000};

// The trace, or one line that says what is wrong and in which line of the text: "line 7: ...". Believes
// nothing: words, ranges and path numbers are checked, and paths are valid_path().
std::variant<Trace, std::string> parse_trace(std::string_view text);

// Writes a trace piece by piece, for a recorder that appends to a file; parse_trace() reads what the pieces
// add up to. Thinking is written in whole microseconds.
class TraceWriter {
 public:
  // What a trace begins with. Line breaks in a comment make several of it.
  std::string begin(const std::vector<std::string>& comments, const std::vector<std::string>& distinct);

  // Goes on with a trace that was written before: its paths have their numbers.
  void resume(const Trace& trace);

  // One request, after the paths that it is the first to name. Paths are valid_path(), keys valid(), bytes at
  // most limits::block_bytes; the block counts where it is a read.
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
