// What people read of a rank's answers.
#include "wrappers/copper/tables.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using json = nlohmann::ordered_json;
using namespace copper;
using Catch::Contains;

TEST_CASE("numbers are grouped by thousands") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(grouped(UINT64_MAX) == "18,446,744,073,709,551,615");
}

TEST_CASE("bytes are shown in the largest unit that they fill") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1024) == "1.0 KiB");
  CHECK(bytes_text(1572864) == "1.5 MiB");
  CHECK(bytes_text(std::uint64_t{5} << 50) == "5120.0 TiB");
}

TEST_CASE("durations are hours, minutes and seconds") {
  CHECK(duration_text(0) == "0:00:00");
  CHECK(duration_text(3723) == "1:02:03");
  CHECK(duration_text(360000) == "100:00:00");
}

TEST_CASE("status names the parent, the children and what is waited for") {
  const auto text =
      status_text(json::parse(R"({"rank":1,"ranks":4,"host":"node1","trees":2,"fanout":8,"bulk_fanout":2,
    "publish":"auto","parent":[0,null],"children":[[],[2,3]],"bulk_parent":[3,null],"bulk_children":[[0],[2]],"uptime_s":61,"mounted":true,
    "max_cacheable_bytes":1048576,"read_ahead_kb":1024,
    "cache":{"store_bytes":1024,"outcomes":3,"arena_used":2048,"arena_committed":4096,"budget":1048576},
    "waiting":[{"key":"block 3 of /x","age_ms":1500,"waiters":2,"on":"storage","root":"node1"}],
    "slow_requests":{"count":2,"oldest_ms":61000}})"));
  CHECK_THAT(text, Contains("1 of 4, on node1"));
  CHECK_THAT(text, Contains("parent 0, no children"));
  CHECK_THAT(text, Contains("the root, children 2 3"));
  CHECK_THAT(text, Contains("parent 3, children 0") && Contains("fan-out 8, of file blocks 2, publish auto"));
  CHECK_THAT(text, Contains("2.0 KiB of 1.0 MiB"));
  CHECK_THAT(text, Contains("files larger than 1.0 MiB") && Contains("read-ahead      1.0 MiB"));
  CHECK_THAT(text, Contains("1,500 ms") && Contains("storage") && Contains("(root node1)") &&
                       Contains("block 3 of /x"));
  CHECK_THAT(text, Contains("2 for longer than a second, the oldest for 61,000 ms"));
  CHECK_THAT(text, Contains("answers") && !Contains("does not answer"));
}

TEST_CASE("storage questions are the sum of all loads") {
  const auto text = stats_text(json::parse(R"({"node":{"loads_listing":1,"loads_entry":2,"loads_block":3,
    "loads_filesystem":4},"front_end":{"fuse_lookup":7},"job":{"loads_listing":1000,"loads_block":2},
    "ranks_counted":3,"ranks":4})"));
  CHECK_THAT(text, Contains("3 of 4 ranks"));
  CHECK_THAT(text, Catch::Matches("[^]*went to storage +10 +1,002\n[^]*"));
  CHECK_THAT(text, Catch::Matches("[^]*fuse_lookup +7 +-\n[^]*"));
}

TEST_CASE("an answer with nothing in it, or with wrong types, is shown all the same") {
  CHECK_NOTHROW(status_text(json::object()));
  CHECK_NOTHROW(stats_text(json::object()));
  CHECK_NOTHROW(status_text(json::parse(
      R"({"rank":"x","host":1,"parent":7,"children":[1],"cache":[],"waiting":[{}],"mounted":"yes"})")));
}
