// Text in pictures and pages, and the whole numbers of an axis.
#include "wrappers/copper/svg.h"

#include <catch2/catch.hpp>

using namespace copper::svg;

TEST_CASE("no text can become mark-up, in an element or in an attribute") {
  CHECK(escaped("<script>&\"'") == "&lt;script&gt;&amp;&quot;&#39;");
  CHECK(text(1, 2, "end", "<b>") == "<text x=\"1.0\" y=\"2.0\" text-anchor=\"end\">&lt;b&gt;</text>\n");
  CHECK(bar(0, 0, 1, 1, "", "</title>").find("<title>&lt;/title&gt;</title>") != std::string::npos);
}

TEST_CASE("control characters become spaces, bytes that are no UTF-8 the sign for that") {
  CHECK(escaped(std::string_view("a\0b\n\x7f", 5)) == "a b  ");
  CHECK(escaped("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80") == "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
  const std::string sign = "\xEF\xBF\xBD";
  CHECK(escaped("\xE9") == sign);
  CHECK(escaped("\xE2\x82") == sign + sign);             // cut short
  CHECK(escaped("\xC0\xAF") == sign + sign);             // overlong
  CHECK(escaped("\xE0\x80\xAF") == sign + sign + sign);  // overlong
  CHECK(escaped("\xED\xA0\x80") == sign + sign + sign);  // half of a pair
  CHECK(escaped("\xF4\x90\x80\x80") == sign + sign + sign + sign);
  CHECK(escaped("\xF8") == sign);
  CHECK(escaped("\xE9<") == sign + "&lt;");
}

TEST_CASE("an axis has few numbers, from 0 on, evenly apart, and the last is enough") {
  for (const double most : {0.0, 1.0, 2.0, 3.0, 7.0, 99.0, 100.0, 101.0, 1303.0, 12345678.0}) {
    for (const bool of_bytes : {false, true}) {
      const auto at = ticks(most, 4, of_bytes);
      CAPTURE(most, of_bytes);
      REQUIRE(at.size() >= 2);
      CHECK(at.size() <= 5);
      CHECK(at.front() == 0);
      CHECK(at.back() >= most);
      for (std::size_t i = 1; i < at.size(); ++i) CHECK(at[i] - at[i - 1] == Approx(at[1]));
    }
  }
  CHECK(ticks(1303, 4) == std::vector<double>{0, 500, 1000, 1500});
  CHECK(ticks(1, 4) == std::vector<double>{0, 1});
  CHECK(ticks(3 << 20, 4, true) == std::vector<double>{0, 1 << 20, 2 << 20, 3 << 20});
}

TEST_CASE("a value has its place on an axis, also on one that goes up a page") {
  const Axis y{0, 10, 100, 0};
  CHECK(y.place(0) == 100);
  CHECK(y.place(10) == 0);
  CHECK(y.place(5) == 50);
}
