// The order of hosts, which the trees are laid over.
#include "service/mpi/machine_order.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace copper {
namespace {

using Hosts = std::vector<std::string>;

Hosts in_order(const Hosts& hosts, const std::vector<std::string>& groups = {}) {
  Hosts ordered;
  for (const auto at : machine_order(hosts, groups)) ordered.push_back(hosts[at]);
  return ordered;
}

}  // namespace

TEST_CASE("numbers in names count as numbers") {
  CHECK(in_order({"node10", "node2", "node1"}) == Hosts{"node1", "node2", "node10"});
  CHECK(in_order({"n2b10", "n2b9", "n10b1", "n2"}) == Hosts{"n2", "n2b9", "n2b10", "n10b1"});
  CHECK(in_order({"frontier09999", "frontier00100", "frontier10000"}) ==
        Hosts{"frontier00100", "frontier09999", "frontier10000"});
  CHECK(in_order({"b1", "a2", "a10"}) == Hosts{"a2", "a10", "b1"});
  CHECK(in_order({"n99999999999999999999999", "n100000000000000000000000"}) ==
        Hosts{"n99999999999999999999999", "n100000000000000000000000"});
}

TEST_CASE("names of a Cray stand by cabinet, chassis, slot, board, node") {
  const Hosts expected{"x1000c0s0b0n0",  "x1000c0s0b0n1", "x1000c0s0b1n0", "x1000c0s2b0n0",
                       "x1000c0s10b0n0", "x1000c1s0b0n0", "x1001c0s0b0n0", "x10000c0s0b0n0"};
  auto hosts = expected;
  std::ranges::sort(hosts);
  do {
    REQUIRE(in_order(hosts) == expected);
    std::ranges::rotate(hosts, hosts.begin() + 3);
  } while (!std::ranges::is_sorted(hosts));
}

TEST_CASE("natural_less is a strict weak order in which only equal names are equal") {
  const Hosts names{"",     "0",   "00",  "1",  "01",   "a",   "a0", "a00",    "a1",
                    "a01b", "a1b", "a10", "A1", "a1b2", "a-1", "9a", "x01c02", "x1c002"};
  for (const auto& a : names) {
    for (const auto& b : names) {
      REQUIRE(natural_less(a, b) + natural_less(b, a) == (a == b ? 0 : 1));
      for (const auto& c : names)
        if (natural_less(a, b) && natural_less(b, c)) REQUIRE(natural_less(a, c));
    }
  }
}

TEST_CASE("ranks of one host keep their order") {
  CHECK(machine_order({"same", "same", "same"}, {}) == std::vector<std::uint32_t>{0, 1, 2});
  CHECK(machine_order({"b", "a", "b", "a"}, {}) == std::vector<std::uint32_t>{1, 3, 0, 2});
  CHECK(machine_order({}, {}).empty());
}

TEST_CASE("hosts of a group are neighbours; those without one come first") {
  CHECK(in_order({"n1", "n2", "n3", "n4"}, {"rack2", "rack10", "rack2", ""}) ==
        Hosts{"n4", "n1", "n3", "n2"});
}

}  // namespace copper
