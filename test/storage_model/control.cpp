// The control socket's few verbs and their JSON.
#include "test/storage_model/control.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <system_error>

namespace copper::storage_model {
namespace {

constexpr const char* done = "{\"ok\": true}";

std::system_error failed(const std::string& what) { return {errno, std::generic_category(), what}; }

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string error(std::string_view text) { return fmt::format("{{\"error\": {}}}", quoted(text)); }

std::string counts_json(const Counts& counts) {
  std::string out = "{\"counts\": {";
  std::string_view comma;
  for (const auto& [path, count] : counts.all()) {
    out += fmt::format("{}{}: {{", comma, quoted(path));
    for (std::size_t i = 0; i < op_count; ++i) {
      out += fmt::format("\"{}\": {}, ", name(static_cast<Op>(i)), count.asked[i]);
    }
    out += fmt::format("\"absent\": {}, \"bytes\": {}, \"bytes_again\": {}, \"blocks\": {}}}", count.absent,
                       count.bytes, count.bytes_again, count.blocks);
    comma = ", ";
  }
  return out + "}}";
}

std::string waiting_json(const Gate& gate) {
  std::string out = "{\"waiting\": [";
  std::string_view comma;
  for (const auto& path : gate.waiting()) {
    out += fmt::format("{}{}", comma, quoted(path));
    comma = ", ";
  }
  return out + "]}";
}

// Splits off what follows the last blank.
std::optional<std::string_view> last_word(std::string_view& line) {
  const auto blank = line.rfind(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const auto word = line.substr(blank + 1);
  line = line.substr(0, blank);
  return word;
}

std::optional<int> errno_named(std::string_view name) {
  for (int n = 1; n < 200; ++n) {
    const char* const known = ::strerrorname_np(n);
    if (known != nullptr && name == known) return n;
  }
  return std::nullopt;
}

std::optional<int> number(std::string_view text) {
  int n = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (code != std::errc{} || end != text.data() + text.size() || n < 0) return std::nullopt;
  return n;
}

}  // namespace

Control::Control(std::string path, Counts& counts, Gate& gate)
    : path_(std::move(path)), counts_(counts), gate_(gate) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof(address.sun_path)) {
    errno = ENAMETOOLONG;
    throw failed(path_);
  }
  std::memcpy(address.sun_path, path_.c_str(), path_.size());
  listener_ = FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener_ || ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener_.get(), 64) != 0) {
    throw failed(path_);
  }
}

Control::~Control() { ::unlink(path_.c_str()); }

void Control::run(int stop_fd) {
  std::array<pollfd, 2> polled{{{stop_fd, POLLIN, 0}, {listener_.get(), POLLIN, 0}}};
  while (true) {
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled[0].revents != 0) break;
    const FileDescriptor connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection) serve(connection);
  }
  gate_.end();
}

void Control::serve(const FileDescriptor& connection) {
  const timeval patience{1, 0};  // a client that says nothing does not hold up the others
  ::setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  std::string line;
  std::array<char, 4096> piece{};
  while (line.find('\n') == std::string::npos) {
    const auto got = ::recv(connection.get(), piece.data(), piece.size(), 0);
    if (got <= 0) return;
    line.append(piece.data(), static_cast<std::size_t>(got));
  }
  const auto text = answer(std::string_view(line).substr(0, line.find('\n'))) + '\n';
  for (std::size_t sent = 0; sent < text.size();) {
    const auto n = ::send(connection.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return;
    sent += static_cast<std::size_t>(n);
  }
}

std::string Control::answer(std::string_view line) {
  const auto verb = line.substr(0, line.find(' '));
  const auto rest = line.size() > verb.size() ? line.substr(verb.size() + 1) : std::string_view{};

  if (verb == "counts") return counts_json(counts_);
  if (verb == "waiting") return waiting_json(gate_);
  if (verb == "reset") {
    counts_.reset();
  } else if (verb == "release") {
    gate_.release();
  } else if (verb == "clear") {
    gate_.clear();
  } else if (verb == "delay" || verb == "fail" || verb == "hang" || verb == "hold") {
    return rule(verb, rest);
  } else {
    return error("no such verb");
  }
  return done;
}

std::string Control::rule(std::string_view verb, std::string_view rest) {
  const bool waits = verb == "hang" || verb == "hold";
  const auto how = waits ? std::optional<std::string_view>("") : last_word(rest);
  const auto op_name = last_word(rest);
  const auto op = op_name ? op_named(*op_name) : std::nullopt;
  if (!op_name || (!op && *op_name != "any") || !rest.starts_with('/')) {
    return error("hang PREFIX OP, hold PREFIX OP, delay PREFIX OP MILLISECONDS, fail PREFIX OP ERRNO");
  }
  const std::string prefix(rest);
  if (verb == "hang") {
    gate_.hang(prefix, op);
  } else if (verb == "hold") {
    gate_.hold(prefix, op);
  } else if (verb == "delay") {
    const auto by = number(*how);
    if (!by) return error("no number of milliseconds");
    gate_.delay(prefix, op, std::chrono::milliseconds(*by));
  } else {
    const auto code = errno_named(*how);
    if (!code) return error("no errno of that name");
    gate_.fail(prefix, op, *code);
  }
  return done;
}

}  // namespace copper::storage_model
