#include "tree/flow/lost_streams.h"

#include <algorithm>

namespace copper {

void LostStreams::begun(Rank from, Tree tree, std::uint32_t number) {
  auto& lane = lanes_[{from, tree}];
  const auto skipped = ahead(number, lane.next);
  if (lane.gap && skipped <= streams_ / 2) {
    for (std::uint32_t n = 0; n < skipped; ++n) lane.lose((lane.next - 1 + n) % streams_ + 1);
  }
  lane.gap = false;
  lane.next = number % streams_ + 1;
  std::erase_if(lane.lost, [&](std::uint32_t lost) { return ahead(lost, number) < streams_ / 2; });
}

bool LostStreams::empty() const {
  return std::ranges::all_of(lanes_, [](const auto& lane) { return lane.second.lost.empty(); });
}

}  // namespace copper
