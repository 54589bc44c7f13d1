// What a report reads is checked: each way in which a table can be wrong is named with its line.
#include "wrappers/copper/report/csv.h"

#include <catch2/catch.hpp>

#include "wrappers/copper/refused.h"

using Catch::Matchers::Message;
using copper::CsvTable;
using copper::Refused;

namespace {
CsvTable table(std::string_view text) { return CsvTable("t.csv", text, {"path", "asks"}); }
}  // namespace

TEST_CASE("columns are found by name, in any order, among others") {
  const auto read = table("asks,more,path\n7,x,/a\n8,y,/b\n");
  REQUIRE(read.rows() == 2);
  CHECK(read.text(0, 0) == "/a");
  CHECK(read.number(1, 1) == 8);
}

TEST_CASE("quoted fields hold commas, quotes and line breaks") {
  const auto read = table("path,asks\r\n\"/a,\"\"b\"\"\nc\",1\r\n\"\",2\r\n");
  REQUIRE(read.rows() == 2);
  CHECK(read.text(0, 0) == "/a,\"b\"\nc");
  CHECK(read.text(1, 0).empty());
  CHECK(read.number(1, 1) == 2);
}

TEST_CASE("rows after the last one wanted are not looked at") {
  CHECK(CsvTable("t.csv", "path,asks\n/a,1\n\"broken", {"path", "asks"}, 1).rows() == 1);
}

TEST_CASE("a table with a header alone has no rows") { CHECK(table("path,asks\n").rows() == 0); }

TEST_CASE("what is wrong is named with its line") {
  CHECK_THROWS_MATCHES(table(""), Refused, Message("t.csv: line 1: there is no header"));
  CHECK_THROWS_MATCHES(table("path,hits\n"), Refused, Message("t.csv: line 1: there is no column asks"));
  CHECK_THROWS_MATCHES(table("path,asks\n\"/a\n/b\",1\n/c\n"), Refused,
                       Message("t.csv: line 4: 1 fields, not 2"));
  CHECK_THROWS_MATCHES(table("path,asks\n/a,12"), Refused, Message("t.csv: line 2: it is cut short"));
  CHECK_THROWS_MATCHES(table("path,asks"), Refused, Message("t.csv: line 1: it is cut short"));
  CHECK_THROWS_MATCHES(table("path,asks\n\n"), Refused, Message("t.csv: line 2: 1 fields, not 2"));
  CHECK_THROWS_MATCHES(table("path,asks\n/a,\"1\n"), Refused,
                       Message("t.csv: line 2: a quote is not closed"));
  CHECK_THROWS_MATCHES(table("path,asks\n\"/a\"b,1\n"), Refused,
                       Message("t.csv: line 2: text behind a closing quote"));
}

TEST_CASE("a number is digits and nothing else, and fits") {
  for (const auto* field : {"", "-1", "+1", " 1", "1 ", "1.5", "x", "18446744073709551616"}) {
    CAPTURE(field);
    const auto read = table(std::string("path,asks\n/a,") + field + "\n");
    CHECK_THROWS_MATCHES(read.number(0, 1), Refused, Message("t.csv: line 2: asks is no number"));
  }
  CHECK(table("path,asks\n/a,18446744073709551615\n").number(0, 1) == UINT64_MAX);
}
