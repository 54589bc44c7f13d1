// The order of a job's ranks, which the trees are laid over: neighbours in it are to be neighbours in the
// machine. Hosts stand by their group (a rack, a dragonfly group) where that is known, then by their names in
// natural order, which on Cray names is the machine's. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace copper {

// "node2" before "node10": runs of digits compare as numbers, everything else by bytes. A strict weak order;
// names that differ only in leading zeros are ordered by length, so only equal names are equal.
bool natural_less(std::string_view a, std::string_view b);

class HostGroups {
 public:
  HostGroups() = default;  // every host is in the group ""
  // Lines `host group`; empty ones and what follows a '#' say nothing. Throws Refusal for any other line, and
  // for a host in two groups, with the line's number; `name` is the file's in that sentence.
  HostGroups(std::string_view text, const std::string& name);

  // A host is found by its full name, else by its name up to the first dot, whichever the file has. One that
  // the file does not name is in the group "".
  const std::string& of(const std::string& host) const;

 private:
  std::map<std::string, std::string> groups_;
};

// Element n is the index in `hosts` of what stands at place n. Equal hosts keep their order.
std::vector<std::uint32_t> machine_order(const std::vector<std::string>& hosts, const HostGroups& groups);

}  // namespace copper
