// What ends a program before it began: printed by main as one line, exit status 2.
#pragma once

#include <stdexcept>

namespace copper {

class Refusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// It may be otherwise later: a former process has to end first, and storage may hold it.
class StillHeld : public Refusal {
 public:
  using Refusal::Refusal;
};

}  // namespace copper
