// What a command cannot use: one line for the user, exit status 2.
#pragma once

#include <stdexcept>

namespace copper {

class Refused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace copper
