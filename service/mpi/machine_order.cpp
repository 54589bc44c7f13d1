// See machine_order.h.
#include "service/mpi/machine_order.h"

#include <algorithm>
#include <numeric>
#include <sstream>

#include "service/refusal.h"

namespace copper {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view take_digits(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_digit);
  const auto digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  return digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
}

std::string short_name(const std::string& host) { return host.substr(0, host.find('.')); }

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  const auto sizes = std::pair(a.size(), b.size());
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
  return sizes.first < sizes.second;
}

HostGroups::HostGroups(std::string_view text, const std::string& name) {
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int at = 1; std::getline(lines, line); ++at) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string host;
    if (!(words >> host)) continue;
    const auto where = name + ", line " + std::to_string(at) + ": ";
    std::string group;
    std::string more;
    if (!(words >> group) || words >> more) throw Refusal(where + "expected a host and its group");
    const auto [known, is_new] = groups_.emplace(host, group);
    if (!is_new && known->second != group)
      throw Refusal(where + host + " is in the groups " + known->second + " and " + group);
  }
}

const std::string& HostGroups::of(const std::string& host) const {
  static const std::string none;
  auto found = groups_.find(host);
  if (found == groups_.end()) found = groups_.find(short_name(host));
  if (found != groups_.end()) return found->second;
  // The file may have full names where the machine says short ones.
  if (host.find('.') != std::string::npos) return none;
  found = groups_.lower_bound(host + ".");
  return found != groups_.end() && found->first.starts_with(host + ".") ? found->second : none;
}

std::vector<std::uint32_t> machine_order(const std::vector<std::string>& hosts, const HostGroups& groups) {
  std::vector<std::uint32_t> order(hosts.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(order, [&](std::uint32_t a, std::uint32_t b) {
    const auto& left = groups.of(hosts[a]);
    const auto& right = groups.of(hosts[b]);
    if (left != right) return natural_less(left, right);
    return natural_less(hosts[a], hosts[b]);
  });
  return order;
}

}  // namespace copper
