// What ends a program before it began: printed by main as one line, exit status 2.
#pragma once

#include <stdexcept>

namespace copper {

class Refusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace copper
