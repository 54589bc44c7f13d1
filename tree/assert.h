// What must not happen, checked in release too: says the sentence and where, and aborts. For mistakes of this
// program only; what another process or the network may do is handled, never asserted.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace copper {

[[noreturn]] inline void broken(const char* sentence, const std::source_location& where) {
  std::fprintf(stderr, "copper: %s:%u: broken: %s\n", where.file_name(), static_cast<unsigned>(where.line()),
               sentence);
  std::abort();
}

// `sentence` says what holds.
inline void ensure(bool condition, const char* sentence,
                   const std::source_location& where = std::source_location::current()) {
  if (!condition) [[unlikely]]
    broken(sentence, where);
}

}  // namespace copper
