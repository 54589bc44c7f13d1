// Asks a Copper mount: the control ioctl on its root directory, answered by the node's rank as JSON text.
// Blocks until the rank has answered or the front end's bound has passed.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>

#include "tree/ports.h"

namespace copper {

// What ends the command: one line, and its exit status (2: this is no Copper mount; 1: it is, and did not
// answer).
class Unanswered : public std::runtime_error {
 public:
  Unanswered(int status, const std::string& line) : std::runtime_error(line), status_(status) {}
  int status() const { return status_; }

 private:
  int status_;
};

// The whole answer. Throws Unanswered. `path`: to be cleared, as the source names it.
std::string ask_mount(const std::string& mount, ControlOp op, const std::string& path = {});

// A path as the source names it: of one at or below the mount what follows the mount, any other as it is;
// absolute, nothing resolved. Nothing where Copper knows no such path.
std::optional<std::string> source_path(const std::string& mount, const std::string& path);

}  // namespace copper
