// See mount_control.h.
#include "wrappers/copper/mount_control.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "fuse_frontend/control.h"
#include "service/segment/file_descriptor.h"

namespace copper {
namespace {

constexpr std::size_t answer_bytes_max = std::size_t{64} << 20;
constexpr int answers_lost_max = 10;

FileDescriptor open_root(const std::string& mount) {
  FileDescriptor root(::open(mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root) return root;
  if (errno == ENOTCONN)
    throw Unanswered(2, mount + ": its front end is gone (stop_copper.sh removes the mount)");
  throw Unanswered(2, mount + ": " + std::strerror(errno));
}

[[noreturn]] void explain(const std::string& mount, int error) {
  switch (error) {
    case ENOTTY:
      throw Unanswered(2, mount + " is not the root of a Copper mount");
    case EINVAL:
      throw Unanswered(2, mount + " is served by another version of Copper (or is no Copper mount)");
    default:
      throw Unanswered(1, mount + ": the node's service does not answer: " + std::strerror(error));
  }
}

}  // namespace

std::optional<std::string> source_path(const std::string& mount, const std::string& path) {
  const auto plain = [](const std::string& text) {
    auto normal = std::filesystem::absolute(text).lexically_normal().string();
    while (normal.size() > 1 && normal.back() == '/') normal.pop_back();
    return normal;
  };
  auto source = plain(path);
  const auto top = plain(mount);
  if (source == top) return "/";
  if (is_at_or_below(source, top) && top != "/") source = source.substr(top.size());
  if (!valid_path(source)) return std::nullopt;
  return source;
}

std::string ask_mount(const std::string& mount, ControlOp op, const std::string& path) {
  const auto root = open_root(mount);
  std::string answer;
  int lost = 0;
  control::Exchange exchange{};
  do {
    exchange.magic_in = control::magic;
    exchange.version_in = control::version;
    exchange.op = static_cast<std::uint32_t>(op);
    exchange.offset = answer.size();
    if (answer.empty())
      exchange.bytes = static_cast<std::uint32_t>(path.copy(exchange.text.data(), path.size()));
    if (::ioctl(root.get(), control::request, &exchange) != 0) {
      // The rest of the answer went with the worker that had it: it is asked for anew.
      if (errno != ESTALE || ++lost > answers_lost_max) explain(mount, errno);
      answer.clear();
      exchange.total = 1;  // at least
      continue;
    }
    const bool sane = exchange.bytes <= exchange.text.size() && exchange.total <= answer_bytes_max &&
                      exchange.bytes <= exchange.total - answer.size();
    if (!sane || (exchange.bytes == 0 && answer.size() < exchange.total)) {
      throw Unanswered(1, mount + ": the answer is damaged");
    }
    answer.append(exchange.text.data(), exchange.bytes);
  } while (answer.size() < exchange.total);
  return answer;
}

}  // namespace copper
