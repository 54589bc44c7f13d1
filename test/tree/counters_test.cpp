// Names and sums of counters.
#include "tree/counters.h"

#include <catch2/catch.hpp>
#include <set>

namespace copper {

TEST_CASE("each counter has a name of its own and a meaning") {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < counter_count; ++i) {
    names.insert(name(Counter{i}));
    CHECK_FALSE(meaning(Counter{i}).empty());
  }
  CHECK(names.size() == counter_count);
  CHECK(name(Counter::client_asks) == "client_asks");
}

TEST_CASE("counters add up one by one") {
  Counters a;
  Counters b;
  a.add(Counter::client_asks);
  b.add(Counter::client_asks, 2);
  b.add(Counter::evictions, 7);
  a.add(b);
  CHECK(a[Counter::client_asks] == 3);
  CHECK(a[Counter::evictions] == 7);
  CHECK(a[Counter::expired] == 0);
}

}  // namespace copper
