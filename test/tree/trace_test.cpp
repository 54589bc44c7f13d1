// Traces as text: what is written is read back, and what does not hold water is refused with its line.
#include "tree/trace.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tree/limits.h"

namespace copper {
namespace {

using std::chrono::microseconds;

const std::string start = "copper-trace 1\npath 0 /a\n10 lookup 0 0\n";

Trace parsed(std::string_view text) {
  auto result = parse_trace(text);
  if (const auto* wrong = std::get_if<std::string>(&result)) FAIL(*wrong);
  return std::get<Trace>(std::move(result));
}

// What is said of a text that is refused.
std::string refusal(std::string_view text) {
  const auto result = parse_trace(text);
  const auto* wrong = std::get_if<std::string>(&result);
  return wrong == nullptr ? "accepted" : *wrong;
}

}  // namespace

TEST_CASE("a trace is what its lines say") {
  const auto trace = parsed(
      "copper-trace 1\n"
      "# python3 -c 'import torch'\n"
      "distinct /inputs\n"
      "path 0 /usr\n"
      "0 lookup 0 0\n"
      " entry 0 0 96\n"
      "#two\n"
      "path 1 /usr/a%20b%25\n"
      "path 2 /usr/absent\n"
      "1500 read 1 3\n"
      " block 1 3 1048576\n"
      " entry 2 0 -2\n"
      "7 ioctl 1 0\n");
  CHECK(trace.comments == std::vector<std::string>{"python3 -c 'import torch'", "two"});
  CHECK(trace.distinct == std::vector<std::string>{"/inputs"});
  CHECK(trace.paths == std::vector<std::string>{"/usr", "/usr/a b%", "/usr/absent"});
  REQUIRE(trace.requests.size() == 3);
  CHECK(trace.requests[0] == TraceRequest{.op = TraceOp::lookup, .questions = {{.bytes = 96}}});
  CHECK(trace.requests[1] == TraceRequest{.think = microseconds{1500},
                                          .op = TraceOp::read,
                                          .path = 1,
                                          .block = 3,
                                          .questions = {{Kind::block, 1, 3, limits::block_bytes, 0},
                                                        {Kind::entry, 2, 0, 0, ENOENT}}});
  CHECK(trace.requests[2] == TraceRequest{.think = microseconds{7}, .op = TraceOp::ioctl, .path = 1});
}

TEST_CASE("a trace without requests is a trace") {
  CHECK(parsed("copper-trace 1\n") == Trace{});
  CHECK(parsed(TraceWriter().begin({}, {})) == Trace{});
}

TEST_CASE("what is written is read back: every operation and kind, odd paths, errors") {
  std::string odd = "/";
  for (int byte = 1; byte < 256; ++byte) {
    if (byte != '/') odd += static_cast<char>(byte);
  }
  odd.resize(1 + limits::name_bytes - 1);
  const std::vector<std::string> paths{"/", odd, "/usr/lib/x y\n%", "/\xff\xfe", "/%41"};
  const std::vector<TraceOp> ops{TraceOp::lookup,   TraceOp::getattr, TraceOp::readdir, TraceOp::read,
                                 TraceOp::readlink, TraceOp::statfs,  TraceOp::ioctl};
  TraceWriter writer;
  std::string text = writer.begin({"", " a comment", "# of two\nlines"}, {odd, "/inputs"});
  Trace trace{.comments = {"", " a comment", "# of two", "lines"},
              .distinct = {odd, "/inputs"},
              .paths = {},
              .requests = {}};
  std::uint32_t path = 0;
  for (const auto& name : paths) {
    trace.paths.push_back(name);
    for (const auto op : ops) {
      const std::uint32_t block = op == TraceOp::read ? 0xffff'ffff : 0;
      const auto think = microseconds{path * 1000 + static_cast<std::uint32_t>(op)};
      text += writer.request(think, op, name, block,
                             {{Key::listing(name), 12u},
                              {Key::listing_block(name, 4, 77), 0u},
                              {Key::entry(name), Errno{ENOENT}},
                              {Key::file_block(name, 0xffff'ffff, Version{.size = 3}), limits::block_bytes},
                              {Key::filesystem(name), Errno{4095}}});
      trace.requests.push_back({.think = think,
                                .op = op,
                                .path = path,
                                .block = block,
                                .questions = {{Kind::listing, path, 0, 12, 0},
                                              {Kind::listing, path, 4, 0, 0},
                                              {Kind::entry, path, 0, 0, ENOENT},
                                              {Kind::block, path, 0xffff'ffff, limits::block_bytes, 0},
                                              {Kind::filesystem, path, 0, 0, 4095}}});
    }
    ++path;
  }
  CHECK(parsed(text) == trace);
}

TEST_CASE("a path gets its number where it is first named, also by a question") {
  TraceWriter writer;
  CHECK(
      writer.request({}, TraceOp::lookup, "/a/b", 0, {{Key::listing("/a"), 5u}, {Key::entry("/a/b"), 6u}}) ==
      "path 0 /a/b\npath 1 /a\n0 lookup 0 0\n listing 1 0 5\n entry 0 0 6\n");
  CHECK(writer.request({}, TraceOp::readdir, "/a", 0, {}) == "0 readdir 1 0\n");
}

TEST_CASE("time is written in whole microseconds, rounded down, and has a bound") {
  TraceWriter writer;
  writer.request({}, TraceOp::ioctl, "/a", 0, {});
  CHECK(writer.request(Duration{1999}, TraceOp::ioctl, "/a", 0, {}) == "1 ioctl 0 0\n");
  CHECK(writer.request(Duration::max(), TraceOp::ioctl, "/a", 0, {}) == "1000000000000 ioctl 0 0\n");
  CHECK(parsed("copper-trace 1\npath 0 /a\n1000000000000 ioctl 0 0\n").requests[0].think == trace_think_max);
}

TEST_CASE("the block is that of a read") {
  TraceWriter writer;
  writer.request({}, TraceOp::read, "/a", 5, {});
  CHECK(writer.request({}, TraceOp::getattr, "/a", 5, {}) == "0 getattr 0 0\n");
}

TEST_CASE("what is no trace is refused, with the number of its line") {
  CHECK(refusal("") == "line 1: not 'copper-trace 1'");
  CHECK(refusal("copper-trace 2\n") == "line 1: not 'copper-trace 1'");
  CHECK(refusal("\ncopper-trace 1\n") == "line 1: not 'copper-trace 1'");
  CHECK(refusal("copper-trace 1") == "line 1: cut off");
  CHECK(refusal(start + "# half a comm") == "line 4: cut off");
  CHECK(refusal(start + "10 lookup 0 0") == "line 4: cut off");
}

TEST_CASE("what does not belong into a line is refused") {
  const std::vector<std::pair<std::string, std::string>> lines{
      {"", "the time of thinking is missing"},
      {"frobnicate", "the time of thinking must be a number up to 1000000000000: 'frobnicate'"},
      {"copper-trace 1", "the time of thinking must be a number up to 1000000000000: 'copper-trace'"},
      {"10", "operation is missing"},
      {"10 ", "operation is missing"},
      {"10  lookup 0 0", "operation is missing"},
      {"10 lookup", "a path's number is missing"},
      {"10 lookup 0", "the block is missing"},
      {"10 lookup 0 0 ", "more than belongs there"},
      {"10 lookup 0 0 0", "more than belongs there: '0'"},
      {"10 lookup 0 0\r", "the block must be a number up to 0: '0?'"},
      {"10 look 0 0", "unknown operation: 'look'"},
      {"10 LOOKUP 0 0", "unknown operation: 'LOOKUP'"},
      {"-1 lookup 0 0", "the time of thinking must be a number up to 1000000000000: '-1'"},
      {"1.5 lookup 0 0", "the time of thinking must be a number up to 1000000000000: '1.5'"},
      {"+1 lookup 0 0", "the time of thinking must be a number up to 1000000000000: '+1'"},
      {"1000000000001 lookup 0 0",
       "the time of thinking must be a number up to 1000000000000: '1000000000001'"},
      {"99999999999999999999 lookup 0 0",
       "the time of thinking must be a number up to 1000000000000: '99999999999999999999'"},
      {"10 lookup 1 0", "no path has the number 1 yet"},
      {"10 lookup x 0", "a path's number must be a number up to 4294967295: 'x'"},
      {"10 lookup 4294967296 0", "a path's number must be a number up to 4294967295: '4294967296'"},
      {"10 lookup 0 1", "the block must be a number up to 0: '1'"},
      {"10 read 0 4294967296", "the block must be a number up to 4294967295: '4294967296'"},
      {" ", "kind of question is missing"},
      {"  entry 0 0 1", "kind of question is missing"},
      {"\tentry 0 0 1", "the time of thinking must be a number up to 1000000000000: '?entry'"},
      {" inode 0 0 1", "unknown kind of question: 'inode'"},
      {" entry 1 0 1", "no path has the number 1 yet"},
      {" entry 0 1 1", "the block must be a number up to 0: '1'"},
      {" filesystem 0 1 1", "the block must be a number up to 0: '1'"},
      {" entry 0 0", "the outcome is missing"},
      {" block 0 0 1048577", "the size must be a number up to 1048576: '1048577'"},
      {" entry 0 0 -0", "0 is no errno"},
      {" entry 0 0 -", "the errno must be a number up to 4095"},
      {" entry 0 0 --2", "the errno must be a number up to 4095: '-2'"},
      {" entry 0 0 -4096", "the errno must be a number up to 4095: '4096'"},
      {" entry 0 0 1 1", "more than belongs there: '1'"},
      {"path", "the time of thinking must be a number up to 1000000000000: 'path'"},
      {"path ", "a path's number is missing"},
      {"path 1", "a path is missing"},
      {"path 0 /b", "the next path's number must be 1"},
      {"path 2 /b", "the next path's number must be 1"},
      {"path 1 /a", "a path has two numbers: '/a'"},
      {"path 1 /%61", "a path has two numbers: '/a'"},
      {"path 1 b", "not a path: 'b'"},
      {"path 1 /b/", "not a path: '/b/'"},
      {"path 1 /b/../c", "not a path: '/b/../c'"},
      {"path 1 /b%00", "not a path: '/b%00'"},
      {"path 1 /b%", "not a path: '/b%'"},
      {"path 1 /b%4", "not a path: '/b%4'"},
      {"path 1 /b%ff", "not a path: '/b%ff'"},
      {"path 1 /b\xff", "not a path: '/b?'"},
      {"path 1 /b c", "more than belongs there: 'c'"},
      {"path 1 /" + std::string(limits::name_bytes + 1, 'n'), "not a path: '/" + std::string(59, 'n') + "'"},
      {"distinct /b", "'distinct' belongs before the first path"},
  };
  for (const auto& [line, said] : lines)
    CHECK(refusal(start + line + "\n0 ioctl 0 0\n") == "line 4: " + said);
}

TEST_CASE("what comes too early is refused") {
  CHECK(refusal("copper-trace 1\n entry 0 0 1\n") == "line 2: a question before any request");
  CHECK(refusal("copper-trace 1\npath 0 /a\n entry 0 0 1\n") == "line 3: a question before any request");
  CHECK(refusal("copper-trace 1\n0 lookup 0 0\n") == "line 2: no path has the number 0 yet");
  CHECK(refusal("copper-trace 1\ndistinct a\n") == "line 2: not a path: 'a'");
  CHECK(refusal("copper-trace 1\ndistinct /a b\n") == "line 2: more than belongs there: 'b'");
}

TEST_CASE("the traces that are kept are read, and written as they are") {
  const auto* source = std::getenv("COPPER_SOURCE");
  if (source == nullptr) {
    WARN("COPPER_SOURCE does not say where they are");
    return;
  }
  int read = 0;
  for (const auto& file : std::filesystem::directory_iterator(std::string(source) + "/test/traces")) {
    if (file.path().extension() != ".trace") continue;
    INFO(file.path());
    std::ifstream stream(file.path());
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    const auto trace = parsed(text);
    TraceWriter writer;
    auto again = writer.begin(trace.comments, trace.distinct);
    for (const auto& request : trace.requests) {
      std::vector<TraceWriter::Question> questions;
      for (const auto& [kind, path, block, bytes, error] : request.questions) {
        questions.push_back({{kind, block, trace.paths[path], {}}, bytes});
        if (error != 0) questions.back().bytes = Errno{error};
      }
      again += writer.request(request.think, request.op, trace.paths[request.path], request.block, questions);
    }
    CHECK((again == text));  // not printed: it is long
    ++read;
  }
  CHECK(read >= 3);
}

TEST_CASE("no byte of a trace that is changed or cut off does harm") {
  TraceWriter writer;
  const auto text = writer.begin({"c"}, {"/d"}) +
                    writer.request(microseconds{12}, TraceOp::read, "/a b", 1,
                                   {{Key::file_block("/a b", 1, {}), 34u}, {Key::entry("/c"), Errno{2}}});
  for (std::size_t i = 0; i < text.size(); ++i) {
    parse_trace(std::string_view(text).substr(0, i));
    for (int byte = 0; byte < 256; ++byte) {
      auto other = text;
      other[i] = static_cast<char>(byte);
      const auto result = parse_trace(other);
      if (const auto* trace = std::get_if<Trace>(&result)) {
        for (const auto& request : trace->requests) {
          REQUIRE(request.path < trace->paths.size());
          for (const auto& question : request.questions) REQUIRE(question.path < trace->paths.size());
        }
      }
    }
  }
}

}  // namespace copper
