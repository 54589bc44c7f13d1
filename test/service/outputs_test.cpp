// The files of a job's directory: tables, profiles, lines, and the thread that writes them.
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <iterator>
#include <mutex>
#include <sstream>
#include <thread>

#include "service/outputs/cache_tables.h"
#include "service/outputs/columns.h"
#include "service/outputs/csv.h"
#include "service/outputs/file_writer.h"
#include "service/outputs/profile_files.h"
#include "service/outputs/timing_lines.h"
#include "test/service/scratch.h"

namespace copper {
namespace {

using namespace std::chrono_literals;

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string text_of(const OutputFiles& files, const std::string& name) {
  for (const auto& file : files)
    if (file.path.filename() == name) return file.text;
  return "";
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    REQUIRE(line.ends_with('\r'));
    lines.push_back(line.substr(0, line.size() - 1));
  }
  return lines;
}

Profile empty_profile(std::size_t paths = 100) {
  Profile profile(paths);
  profile.counters.resize(counter_columns().size());
  profile.operations.resize(operation_columns().size());
  return profile;
}

bool wait_for(const FileWriter& writer) {
  for (int n = 0; n < 2000 && !writer.idle(); ++n) std::this_thread::sleep_for(5ms);
  return writer.idle();
}

}  // namespace

TEST_CASE("a field is quoted where it must be, and what is no character is spelled out") {
  CHECK(csv_field("/a/b c") == "/a/b c");
  CHECK(csv_field("") == "");
  CHECK(csv_field("a,b") == "\"a,b\"");
  CHECK(csv_field("say \"x\"") == "\"say \"\"x\"\"\"");
  CHECK(csv_field("a\nb") == "\"a\nb\"");
  CHECK(csv_field("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80") ==
        "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  CHECK(csv_field("caf\xe9") == "caf\\xe9");
  CHECK(csv_field("\xc0\xaf") == "\\xc0\\xaf");           // too long for what it is
  CHECK(csv_field("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // half a character
  CHECK(csv_field("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
  CHECK(csv_field("a\xe2\x82") == "a\\xe2\\x82");
}

TEST_CASE("each counter and operation has a column of its own") {
  for (const auto* columns : {&counter_columns(), &operation_columns()})
    for (const auto& one : *columns)
      CHECK(std::ranges::count_if(*columns, [&](const auto& other) { return other.name == one.name; }) == 1);
}

TEST_CASE("a profile's files have a header, a row for each figure, and sums that are its own") {
  auto profile = empty_profile();
  profile.counters.front() = Spread::of(7, Rank{1});
  profile.operations[2].add(3, 10);
  profile.operations[2].add(100, 10, true);
  profile.timeline.add(0, {1, 2, 3, 4, 5});
  profile.timeline.add(2, {1, 2, 3, 4, 5});
  profile.add({{Kind::block, "/a,b"}, {5, 4, 1, 1000, 0}});
  profile.add({{Kind::entry, "/c"}, {9, 0, 1, 10, 9}});
  profile.loads.push_back({Rank{1}, 11, 12, 13, 14, 15, 16});
  profile.timings.push_back({Rank{1}, 1234, 5678, Kind::entry});
  const ProfileSheet sheet{.title = "the job",
                           .profile = profile,
                           .ranks_counted = 2,
                           .ranks = 3,
                           .names = {"n0", "n1", "n2"},
                           .depths = {0, 1, 1},
                           .top_n = 1};
  const auto files = profile_files(sheet, "/x");
  CHECK(files.size() == 6);

  const auto aggregate = lines_of(text_of(files, "profiling_aggregate.csv"));
  CHECK(aggregate.size() == counter_columns().size() + 3);
  CHECK(aggregate[0] == "layer,counter,sum,ranks,min,max,max_host");
  CHECK(aggregate[1] == "front_end,fuse_lookup,7,1,7,7,n1");

  const auto operations = lines_of(text_of(files, "profiling_operations.csv"));
  CHECK(operations.size() == operation_columns().size() + 1);
  CHECK(operations[0].starts_with(
      "layer,operation,count,errors,bytes,total_us,p50_us,p90_us,p99_us,max_us,le_1,le_2,"));
  CHECK(operations[0].ends_with(",le_33554432,more"));
  CHECK(operations[3].starts_with("front_end,readlink,2,1,20,103,4,100,100,100,0,0,1,0,0,0,0,1,0,"));
  for (const auto& row : operations)
    CHECK(std::ranges::count(row, ',') == std::ranges::count(operations[0], ','));

  CHECK(lines_of(text_of(files, "profiling_top_paths.csv")) ==
        std::vector<std::string>{"path,kind,asks,hits,loads,bytes,absent", "/c,entry,9,0,1,10,9"});
  CHECK(lines_of(text_of(files, "profiling_timeline.csv")) ==
        std::vector<std::string>{
            "second,storage_reads,storage_bytes,front_end_operations,client_asks,client_hits", "0,1,2,3,4,5",
            "1,0,0,0,0,0", "2,1,2,3,4,5"});
  CHECK(lines_of(text_of(files, "profiling_ranks.csv"))[1] == "1,n1,1,11,12,13,14,15,16");
  const auto summary = text_of(files, "profiling_summary.md");
  CHECK(summary.find("Only 2 of 3 ranks") != std::string::npos);
  CHECK(summary.find("rank 1 on n1: provider registration completed after 1234") != std::string::npos);
  CHECK(summary.find("| /c | entry | 9 |") != std::string::npos);

  auto all = sheet;
  all.top_n = 0;
  const auto more = profile_files(all, "/x");
  CHECK(lines_of(text_of(more, "profiling_top_paths.csv"))[2] == "\"/a,b\",block,5,4,1,1000,0");
}

TEST_CASE("the timing lines are word for word; those of many ranks are reduced") {
  CHECK(registration_line(12) == "provider registration completed after 12");
  CHECK(first_answer_line(Kind::entry, 34) ==
        "first successful parent rpc_lstat completed after 34 since provider startup");
  CHECK(first_answer_line(Kind::listing, 1).find(" rpc_readdir ") != std::string::npos);
  CHECK(first_answer_line(Kind::block, 1).find(" rpc_readfile ") != std::string::npos);
  const std::vector<Timing> timings{{Rank{0}, 50, std::nullopt, Kind{}},
                                    {Rank{1}, 10, 100, Kind::entry},
                                    {Rank{2}, 30, 300, Kind::listing},
                                    {Rank{3}, 20, 200, Kind::entry}};
  const std::vector<std::string> names{"a", "b", "c", "d"};
  CHECK(timing_lines(timings, names, true, false).size() == 3);
  CHECK(timing_lines(timings, names, false, true) ==
        std::vector<std::string>{"provider registration completed after 10 (least), 20 (median), 50 (most): "
                                 "4 ranks; slowest: a 50, c 30, d 20, b 10"});
  const auto reduced = timing_lines(timings, names, true, true);
  REQUIRE(reduced.size() == 2);
  CHECK(reduced[1] ==
        "first successful parent rpc_lstat completed after 100 (least), 100 (median), 200 (most) "
        "since provider startup: 2 ranks; slowest: d 200, b 100");
  CHECK(timing_lines({}, names, false, true).empty());
}

TEST_CASE("a cache's tables say what is in it and in which version") {
  const std::vector<CachedRow> rows{
      {Key::entry("/a"), 100, 3, 2500ms, 0xabc},
      {Key::entry("/gone"), 0, 1, 0s, 0},
      {Key::file_block("/a\"b", 2, {1, 2, 3, 4}), 7, 0, 90s, 5},
  };
  const auto files = cache_tables(rows, "/x");
  CHECK(files.size() == 3);
  CHECK(lines_of(text_of(files, "listing.csv")).size() == 1);
  CHECK(lines_of(text_of(files, "entry.csv")) ==
        std::vector<std::string>{"path,block,bytes,hits,age_s,version", "/a,0,100,3,2,0000000000000abc",
                                 "/gone,0,0,1,0,absent"});
  CHECK(lines_of(text_of(files, "block.csv"))[1] == "\"/a\"\"b\",2,7,0,90,1:2:3:4");
}

TEST_CASE("files are written in order, whole, into directories that are made") {
  const Scratch scratch;
  FileWriter writer([](const std::string&) {});
  CHECK(writer.idle());
  for (int n = 0; n < 20; ++n)
    writer.write([&, n] { return OutputFiles{{scratch / "a/b/file", std::to_string(n)}}; });
  REQUIRE(wait_for(writer));
  CHECK(read(scratch / "a/b/file") == "19");
  CHECK_FALSE(std::filesystem::exists(scratch / "a/b/file.part"));
}

TEST_CASE("a file that cannot be written is complained of, and the others are written") {
  const Scratch scratch;
  scratch.write("file", "");
  std::mutex mutex;
  std::vector<std::string> said;
  FileWriter writer([&](const std::string& what) {
    const std::lock_guard lock(mutex);
    said.push_back(what);
  });
  writer.write([&] { return OutputFiles{{scratch / "file/below", "x"}, {scratch / "other", "y"}}; });
  REQUIRE(wait_for(writer));
  const std::lock_guard lock(mutex);
  REQUIRE(said.size() == 1);
  CHECK(said[0].find("file/below") != std::string::npos);
  CHECK(read(scratch / "other") == "y");
}

TEST_CASE("nobody waits for a file system that stalls") {
  auto go_on = std::make_shared<std::mutex>();
  std::unique_lock stalled(*go_on);
  {
    FileWriter writer([](const std::string&) {});
    writer.write([go_on] {
      const std::lock_guard lock(*go_on);
      return OutputFiles{};
    });
    CHECK_FALSE(writer.idle());
  }  // returns
}

}  // namespace copper
