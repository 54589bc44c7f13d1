// The control socket: one line asks, one line of JSON answers, then the connection closes. One thread, run().
//
//   counts                        {"counts": {PATH: {"lookup": n, ..., "absent": n, "bytes": n,
//                                 "bytes_again": n, "blocks": n}}}, over all mounts
//   reset                         forgets the counts
//   delay PREFIX OP MILLISECONDS  OP as in counts, or "any"
//   fail PREFIX OP ERRNO          ERRNO by name (EIO)
//   hang PREFIX OP / release      requests wait until released, or interrupted
//   hold PREFIX OP                they wait until released, interrupted or not: their readers are in D state
//   clear                         ends delays, failures and hangs
//   waiting                       {"waiting": [PATH, ...]}, those that storage's speed keeps waiting too
//
// A prefix may hold blanks, no line break. In the answers each byte of a path is one character (\u00XX where
// it is not printable ASCII). A line that is not understood is answered {"error": "..."}; everything else
// that has no answer of its own, {"ok": true}.
#pragma once

#include <string>
#include <string_view>

#include "service/segment/file_descriptor.h"
#include "test/storage_model/counts.h"
#include "test/storage_model/gate.h"

namespace copper::storage_model {

class Control {
 public:
  // Listens at once. Throws std::system_error.
  Control(std::string path, Counts& counts, Gate& gate);
  ~Control();  // removes the socket

  // Serves until stop_fd becomes readable, then ends the gate, so that no request is left waiting.
  void run(int stop_fd);

 private:
  void serve(const FileDescriptor& connection);
  std::string answer(std::string_view line);
  std::string rule(std::string_view verb, std::string_view rest);

  std::string path_;
  Counts& counts_;
  Gate& gate_;
  FileDescriptor listener_;
};

}  // namespace copper::storage_model
