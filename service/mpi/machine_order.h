// The order of a job's ranks, which the trees are laid over: neighbours in it are to be neighbours in the
// machine. Hosts stand by their group (a rack, a dragonfly group) where that is known, then by their names in
// natural order, which on Cray names is the machine's. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace copper {

// "node2" before "node10": runs of digits compare as numbers, everything else by bytes. A strict weak order;
// names that differ only in leading zeros are ordered by length, then as text, so only equal names are equal.
bool natural_less(std::string_view a, std::string_view b);

// Element n is the index in `hosts` of what stands at place n; `groups` are theirs, none where it is empty.
// Equal hosts keep their order.
std::vector<std::uint32_t> machine_order(const std::vector<std::string>& hosts,
                                         const std::vector<std::string>& groups);

}  // namespace copper
