// A facility's address book, as people write it; and the order of hosts that follows from it. Input: the
// book.
#include <sstream>

#include "service/mpi/machine_order.h"
#include "service/outputs/facility_book.h"
#include "service/refusal.h"
#include "test/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace copper;
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> hosts;
  std::istringstream words(text);
  for (std::string word; hosts.size() < 40 && words >> word;) hosts.push_back(word);
  for (const auto& a : hosts) {
    for (const auto& b : hosts) {
      must((a == b) == (!natural_less(a, b) && !natural_less(b, a)), "only equal names are equal");
      must(!natural_less(a, b) || !natural_less(b, a), "an order has one direction");
      for (const auto& c : std::span(hosts).first(std::min<std::size_t>(hosts.size(), 8)))
        must(!natural_less(a, b) || !natural_less(b, c) || natural_less(a, c), "an order goes on");
    }
  }
  try {
    const FacilityBook book(text, "book");
    std::vector<std::string> groups;
    for (const auto& host : hosts) {
      const auto* entry = book.find(host);
      must(entry == nullptr || !entry->endpoint.empty(), "who is in the book has an endpoint");
      groups.push_back(entry == nullptr ? "" : entry->group);
    }
    auto order = machine_order(hosts, groups);
    std::ranges::sort(order);
    for (std::uint32_t i = 0; i < order.size(); ++i) must(order[i] == i, "each host has one place");
  } catch (const Refusal&) {
  }
  return 0;
}
