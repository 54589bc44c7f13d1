// What the programs in here share: a job, a clock to give up by, and how a rank fails.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "service/mpi/job.h"
#include "service/mpi/transport.h"

namespace copper {

inline void expect(const MpiJob& job, bool condition, const std::string& what) {
  if (condition) return;
  std::fprintf(stderr, "rank %u: %s\n", job.rank(), what.c_str());
  job.abort(1);
}

// Ends the process, on all ranks at once: what a test leaves unfinished is its failure.
[[noreturn]] inline void finish(const MpiJob& job, MpiTransport& transport) {
  transport.withdraw();
  job.leave(EXIT_SUCCESS, std::chrono::seconds{20});
}

inline int run_test(const std::function<void()>& body) {
  try {
    body();
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
  }
}

// Bytes that tell whose they are and where in the payload they stand.
inline Bytes pattern(std::size_t size, std::uint32_t seed) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    text[i] = static_cast<char>((i * 31 + (i >> 12) * 7 + seed * 13) & 0xff);
  return Bytes::copy_of(text);
}

}  // namespace copper
