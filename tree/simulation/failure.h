// What a simulation found to be wrong.
#pragma once

#include <stdexcept>
#include <string>

namespace copper::simulation {

class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline void expect(bool condition, const std::string& sentence) {
  if (!condition) throw Failure(sentence);
}

}  // namespace copper::simulation
