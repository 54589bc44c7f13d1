// See facility_book.h.
#include "service/outputs/facility_book.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <sstream>

#include "service/refusal.h"

namespace copper {
namespace {

std::string short_name(const std::string& host) { return host.substr(0, host.find('.')); }

}  // namespace

std::string hosts_text(const std::vector<std::string>& hosts) {
  const auto shown = std::span(hosts).first(std::min<std::size_t>(hosts.size(), 20));
  return fmt::format("{}{}", fmt::join(shown, ", "), shown.size() < hosts.size() ? ", ..." : "");
}

FacilityBook::FacilityBook(std::string_view text, const std::string& name) : name_(name) {
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int at = 1; std::getline(lines, line); ++at) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string host;
    if (!(words >> host)) continue;
    Entry entry;
    std::string more;
    words >> entry.endpoint >> entry.group;
    if (entry.endpoint.empty() || words >> more)
      throw Refusal(
          fmt::format("{}, line {}: expected a host, its endpoint and, if any, its group", name, at));
    const auto [known, is_new] = entries_.emplace(host, entry);
    const auto& first = known->second;
    if (!is_new && first.endpoint != entry.endpoint)
      throw Refusal(fmt::format("{}, line {}: {} has the endpoints {} and {}", name, at, host, first.endpoint,
                                entry.endpoint));
    if (!is_new && first.group != entry.group)
      throw Refusal(fmt::format("{}, line {}: {} is in the groups '{}' and '{}'", name, at, host, first.group,
                                entry.group));
  }
}

const FacilityBook::Entry* FacilityBook::find(const std::string& host) const {
  auto found = entries_.find(host);
  if (found == entries_.end()) found = entries_.find(short_name(host));
  if (found != entries_.end()) return &found->second;
  // The book may have full names where the machine says short ones.
  if (host.find('.') != std::string::npos) return nullptr;
  found = entries_.lower_bound(host + ".");
  return found != entries_.end() && found->first.starts_with(host + ".") ? &found->second : nullptr;
}

std::vector<FacilityBook::Entry> FacilityBook::of(const std::vector<std::string>& hosts) const {
  std::vector<Entry> entries;
  std::vector<std::string> missing;
  for (const auto& host : hosts) {
    const auto* entry = find(host);
    if (entry != nullptr)
      entries.push_back(*entry);
    else if (std::ranges::find(missing, host) == missing.end())
      missing.push_back(host);
  }
  if (missing.empty()) return entries;
  throw Refusal(
      fmt::format("{} does not name {} of this job's hosts: {}", name_, missing.size(), hosts_text(missing)));
}

}  // namespace copper
