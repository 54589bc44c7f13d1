// The pictures of a report, each an <svg>. Pure. Their colours are the page's: classes of page.cpp's style,
// so that they follow it into the dark.
#pragma once

#include <string>

#include "wrappers/copper/report/profile.h"

namespace copper {

std::string timeline_chart(const Profile& profile);
std::string answers_chart(const Profile& profile);  // where questions ended
std::string latency_chart(const Profile& profile);
std::string load_chart(const Profile& profile);  // of the ranks
std::string memory_chart(const Profile& profile);

// 1 -> "1 µs"; 1500 -> "1.5 ms"; 33554432 -> "34 s"
std::string time_text(std::uint64_t us);

}  // namespace copper
