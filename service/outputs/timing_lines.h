// The two lines about a job's start that tools look for, word for word: "provider registration completed
// after <us>" and "first successful parent rpc_<name> completed after <us> since provider startup". One for
// each rank of a small job; of a large one the least, the median and the most of all, and the slowest. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tree/profile/profile.h"

namespace copper {

std::string registration_line(std::uint64_t us);
std::string first_answer_line(Kind kind, std::uint64_t us);

// `names`: of the ranks' nodes. `first`: of the first answers, else of the registrations; those of whom
// nothing is known are left out. `reduced`: the large job's.
std::vector<std::string> timing_lines(const std::vector<Timing>& timings,
                                      const std::vector<std::string>& names, bool first, bool reduced);

}  // namespace copper
