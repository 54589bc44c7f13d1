#include "tree/profile/activities.h"

namespace copper {

void Activities::add(std::uint64_t second, const Activity& activity) {
  while (second / width_ >= rows_max) widen(2 * width_);
  const auto row = static_cast<std::size_t>(second / width_);
  if (rows_.size() <= row) rows_.resize(row + 1);
  rows_[row].add(activity);
}

void Activities::add(const Activities& other) {
  widen(other.width_);
  for (std::size_t row = 0; row < other.rows_.size(); ++row) add(row * other.width_, other.rows_[row]);
}

void Activities::widen(std::uint64_t seconds) {
  for (; width_ < seconds; width_ *= 2) {
    for (std::size_t row = 0; row < rows_.size(); row += 2) {
      auto both = rows_[row];
      if (row + 1 < rows_.size()) both.add(rows_[row + 1]);
      rows_[row / 2] = both;
    }
    rows_.resize((rows_.size() + 1) / 2);
  }
}

}  // namespace copper
