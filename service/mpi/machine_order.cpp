// See machine_order.h.
#include "service/mpi/machine_order.h"

#include <algorithm>
#include <numeric>

namespace copper {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view take_digits(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_digit);
  const auto digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  return digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  const auto whole = std::pair(a, b);
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const auto left = take_digits(a);
      const auto right = take_digits(b);
      if (left.size() != right.size()) return left.size() < right.size();
      if (left != right) return left < right;
    } else {
      if (a.front() != b.front())
        return static_cast<unsigned char>(a.front()) < static_cast<unsigned char>(b.front());
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
  }
  if (a.empty() != b.empty()) return a.empty();
  return std::pair(whole.first.size(), whole.first) < std::pair(whole.second.size(), whole.second);
}

std::vector<std::uint32_t> machine_order(const std::vector<std::string>& hosts,
                                         const std::vector<std::string>& groups) {
  std::vector<std::uint32_t> order(hosts.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(order, [&](std::uint32_t a, std::uint32_t b) {
    if (!groups.empty() && groups[a] != groups[b]) return natural_less(groups[a], groups[b]);
    return natural_less(hosts[a], hosts[b]);
  });
  return order;
}

}  // namespace copper
