// A facility's address book, and the part of it that is a job's.
#include "service/outputs/facility_book.h"

#include <catch2/catch.hpp>

#include "service/refusal.h"

namespace copper {
namespace {

FacilityBook book_of(std::string_view text) { return FacilityBook(text, "book"); }

std::string endpoint_in(const FacilityBook& book, const std::string& host) {
  const auto* entry = book.find(host);
  return entry == nullptr ? "" : entry->endpoint;
}

}  // namespace

TEST_CASE("a book says a host's endpoint and its group, and comments say nothing") {
  const auto book = book_of("n1 cxi://cxi0 rack2\nn2 cxi://cxi1  # far away\n\n# all\nn3\thsn0\track2\r\n");
  CHECK(endpoint_in(book, "n1") == "cxi://cxi0");
  CHECK(book.find("n1")->group == "rack2");
  CHECK(endpoint_in(book, "n2") == "cxi://cxi1");
  CHECK(book.find("n2")->group.empty());
  CHECK(book.find("n3")->group == "rack2");
  CHECK(book.find("n4") == nullptr);
}

TEST_CASE("short and full names of a host mean the same") {
  const auto shorts = book_of("n1 a\nn2 b\n");
  CHECK(endpoint_in(shorts, "n1.example.org") == "a");
  CHECK(endpoint_in(shorts, "n10.example.org").empty());
  const auto fulls = book_of("n1.example.org a\nn1-eth.example.org b\nn10.example.org c\n");
  CHECK(endpoint_in(fulls, "n1") == "a");
  CHECK(endpoint_in(fulls, "n10") == "c");
  CHECK(endpoint_in(fulls, "n").empty());
  CHECK(endpoint_in(fulls, "n1.example.com").empty());
}

TEST_CASE("a malformed book is refused with the line") {
  CHECK_THROWS_AS(book_of("n1"), Refusal);
  CHECK_THROWS_WITH(book_of("n1 a\n\nn2 b c d\n"), Catch::Contains("book, line 3"));
  CHECK_THROWS_WITH(book_of("n1 a\nn1 b"), Catch::Contains("line 2") && Catch::Contains("n1"));
  CHECK_THROWS_WITH(book_of("n1 a g\nn1 a h"), Catch::Contains("line 2") && Catch::Contains("'h'"));
  CHECK_NOTHROW(book_of("n1 a g\nn1 a g"));
  CHECK_NOTHROW(book_of(""));
}

TEST_CASE("the hosts of a job that a book lacks are named, each once, and not all of very many") {
  const auto book = book_of("n1 a\nn2 b\n");
  CHECK(book.of({"n2", "n1", "n2"}).size() == 3);
  CHECK(book.of({"n2"}).front().endpoint == "b");
  CHECK_THROWS_WITH(book.of({"n1", "m1", "m2", "m1"}),
                    Catch::Equals("book does not name 2 of this job's hosts: m1, m2"));
  std::vector<std::string> many;
  for (int n = 0; n < 100; ++n) many.push_back("host" + std::to_string(n));
  CHECK_THROWS_WITH(book.of(many), Catch::Contains("100 of") && Catch::Contains("host0, host1") &&
                                       Catch::EndsWith("host19, ..."));
}

}  // namespace copper
