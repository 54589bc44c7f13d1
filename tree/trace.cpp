// See trace.h.
#include "tree/trace.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <unordered_set>
#include <utility>

#include "tree/limits.h"

namespace copper {
namespace {

using std::string_view;

constexpr string_view first_line = "copper-trace 1";
constexpr std::uint64_t number_max = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t errno_max = 4095;

template <class T>
using Word = std::pair<T, string_view>;

constexpr std::array ops{
    Word<TraceOp>{TraceOp::lookup, "lookup"},     Word<TraceOp>{TraceOp::getattr, "getattr"},
    Word<TraceOp>{TraceOp::readdir, "readdir"},   Word<TraceOp>{TraceOp::read, "read"},
    Word<TraceOp>{TraceOp::readlink, "readlink"}, Word<TraceOp>{TraceOp::statfs, "statfs"},
    Word<TraceOp>{TraceOp::ioctl, "ioctl"}};
constexpr std::array kinds{Word<Kind>{Kind::listing, "listing"}, Word<Kind>{Kind::entry, "entry"},
                           Word<Kind>{Kind::block, "block"}, Word<Kind>{Kind::filesystem, "filesystem"}};

template <class T, std::size_t N>
string_view word_of(const std::array<Word<T>, N>& words, T value) {
  return std::find_if(words.begin(), words.end(), [&](auto& each) { return each.first == value; })->second;
}

// ---- paths ----

constexpr string_view hex = "0123456789ABCDEF";

bool plain(char c) { return c > ' ' && c < 0x7f && c != '%'; }

std::string escaped(string_view path) {
  std::string text;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (plain(c)) {
      text += c;
    } else {
      text += {'%', hex[byte >> 4], hex[byte & 15]};
    }
  }
  return text;
}

std::optional<std::string> unescaped(string_view text) {
  std::string path;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (plain(text[i])) {
      path += text[i];
      continue;
    }
    if (text[i] != '%' || text.size() - i < 3) return std::nullopt;
    const auto high = hex.find(text[i + 1]);
    const auto low = hex.find(text[i + 2]);
    if (high == hex.npos || low == hex.npos) return std::nullopt;
    path += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return path;
}

// ---- reading ----

// The fields of one line, taken from the left. What is wrong first is kept in `wrong`; what is read from then
// on means nothing.
class Fields {
 public:
  Fields(string_view line, std::string& wrong) : rest_(line), wrong_(wrong) {}

  // What is quoted comes from a file: it is made short and printable.
  void refuse(string_view what, string_view where = {}) {
    if (!wrong_.empty()) return;
    wrong_ = what;
    if (where.empty()) return;
    std::string quoted(where.substr(0, 60));
    std::replace_if(
        quoted.begin(), quoted.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    wrong_ += ": '" + quoted + "'";
  }

  string_view word(string_view what) {
    const auto space = rest_.find(' ');
    const auto field = rest_.substr(0, space);
    if (field.empty()) refuse(std::string(what) + " is missing");
    more_ = space != string_view::npos;
    rest_ = more_ ? rest_.substr(space + 1) : string_view();
    return field;
  }

  std::uint64_t number(string_view what, std::uint64_t max) { return number_in(word(what), what, max); }

  std::uint64_t number_in(string_view field, string_view what, std::uint64_t max) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (error != std::errc() || end != field.data() + field.size() || value > max) {
      refuse(std::string(what) + " must be a number up to " + std::to_string(max), field);
      return 0;
    }
    return value;
  }

  std::string path() {
    const auto field = word("a path");
    auto path = unescaped(field);
    if (!path || !valid_path(*path)) refuse("not a path", field);
    return std::move(path).value_or("");
  }

  template <class T, std::size_t N>
  T one_of(const std::array<Word<T>, N>& words, string_view what) {
    const auto field = word(what);
    const auto found =
        std::find_if(words.begin(), words.end(), [&](auto& each) { return each.second == field; });
    if (found != words.end()) return found->first;
    refuse("unknown " + std::string(what), field);
    return words.front().first;
  }

  void end() {
    if (more_) refuse("more than belongs there", rest_);
  }

 private:
  string_view rest_;
  bool more_ = true;
  std::string& wrong_;
};

class Reader {
 public:
  // What is wrong with the line; empty: nothing.
  std::string line(string_view text) {
    std::string wrong;
    if (text.starts_with('#')) {
      trace_.comments.emplace_back(text.substr(text.starts_with("# ") ? 2 : 1));
    } else if (text.starts_with("distinct ")) {
      distinct(Fields(text.substr(text.find(' ') + 1), wrong));
    } else if (text.starts_with("path ")) {
      path(Fields(text.substr(text.find(' ') + 1), wrong));
    } else if (text.starts_with(' ')) {
      question(Fields(text.substr(1), wrong));
    } else {
      request(Fields(text, wrong));
    }
    return wrong;
  }

  Trace take() { return std::move(trace_); }

 private:
  void distinct(Fields fields) {
    if (!trace_.paths.empty()) fields.refuse("'distinct' belongs before the first path");
    trace_.distinct.push_back(fields.path());
    fields.end();
  }

  void path(Fields fields) {
    const auto due = trace_.paths.size();
    if (fields.number("a path's number", number_max) != due) {
      fields.refuse("the next path's number must be " + std::to_string(due));
    }
    trace_.paths.push_back(fields.path());
    fields.end();
    if (!named_.insert(trace_.paths.back()).second) {
      fields.refuse("a path has two numbers", trace_.paths.back());
    }
  }

  std::uint32_t named(Fields& fields) const {
    const auto number = fields.number("a path's number", number_max);
    if (number >= trace_.paths.size()) {
      fields.refuse("no path has the number " + std::to_string(number) + " yet");
    }
    return static_cast<std::uint32_t>(number);
  }

  static std::uint32_t block(Fields& fields, bool has_blocks) {
    return static_cast<std::uint32_t>(fields.number("the block", has_blocks ? number_max : 0));
  }

  void request(Fields fields) {
    constexpr auto max = std::chrono::floor<std::chrono::microseconds>(trace_think_max).count();
    TraceRequest request;
    request.think = std::chrono::microseconds{fields.number("the time of thinking", max)};
    request.op = fields.one_of(ops, "operation");
    request.path = named(fields);
    request.block = block(fields, request.op == TraceOp::read);
    fields.end();
    trace_.requests.push_back(std::move(request));
  }

  void question(Fields fields) {
    if (trace_.requests.empty()) return fields.refuse("a question before any request");
    TraceQuestion question;
    question.kind = fields.one_of(kinds, "kind of question");
    question.path = named(fields);
    question.block = block(fields, question.kind == Kind::block || question.kind == Kind::listing);
    const auto outcome = fields.word("the outcome");
    if (outcome.starts_with('-')) {
      question.error = static_cast<int>(fields.number_in(outcome.substr(1), "the errno", errno_max));
      if (question.error == 0) fields.refuse("0 is no errno");
    } else {
      question.bytes = static_cast<std::uint32_t>(fields.number_in(outcome, "the size", limits::block_bytes));
    }
    fields.end();
    trace_.requests.back().questions.push_back(question);
  }

  Trace trace_;
  std::unordered_set<std::string> named_;
};

}  // namespace

std::variant<Trace, std::string> parse_trace(string_view text) {
  Reader reader;
  std::size_t number = 0;
  do {
    ++number;
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    std::string wrong;
    if (number > 1) {
      wrong = reader.line(line);
    } else if (line != first_line) {
      wrong = "not '" + std::string(first_line) + "'";
    }
    if (wrong.empty() && end == string_view::npos) wrong = "cut off";
    if (!wrong.empty()) return "line " + std::to_string(number) + ": " + wrong;
    text.remove_prefix(end + 1);
  } while (!text.empty());
  return reader.take();
}

// ---- writing ----

std::string TraceWriter::begin(const std::vector<std::string>& comments,
                               const std::vector<std::string>& distinct) {
  std::string out(first_line);
  out += '\n';
  for (string_view comment : comments) {
    for (bool more = true; more;) {
      const auto end = comment.find('\n');
      out += "# ";
      out += comment.substr(0, end);
      out += '\n';
      more = end != string_view::npos;
      comment.remove_prefix(more ? end + 1 : comment.size());
    }
  }
  for (const auto& path : distinct) out += "distinct " + escaped(path) + '\n';
  return out;
}

void TraceWriter::resume(const Trace& trace) {
  numbers_.clear();
  for (const auto& path : trace.paths) numbers_.emplace(path, static_cast<std::uint32_t>(numbers_.size()));
}

std::uint32_t TraceWriter::number(string_view path, std::string& out) {
  const auto next = static_cast<std::uint32_t>(numbers_.size());
  const auto [found, added] = numbers_.emplace(path, next);
  if (added) out += "path " + std::to_string(next) + ' ' + escaped(path) + '\n';
  return found->second;
}

std::string TraceWriter::request(Duration think, TraceOp op, string_view path, std::uint32_t block,
                                 const std::vector<Question>& questions) {
  const auto us = std::chrono::floor<std::chrono::microseconds>(std::min(think, trace_think_max)).count();
  std::string named;
  std::string lines = std::to_string(us) + ' ';
  lines += word_of(ops, op);
  lines += ' ' + std::to_string(number(path, named)) + ' ';
  lines += std::to_string(op == TraceOp::read ? block : 0) + '\n';
  for (const auto& [key, bytes] : questions) {
    lines += ' ';
    lines += word_of(kinds, key.kind);
    lines += ' ' + std::to_string(number(key.path, named)) + ' ' + std::to_string(key.block) + ' ';
    lines += bytes.ok() ? std::to_string(*bytes) : '-' + std::to_string(copper::number(bytes.error()));
    lines += '\n';
  }
  return named + lines;
}

}  // namespace copper
