// See session.h. libfuse ties the size of reads to that of writes (max_pages follows max_write), and with it
// the size of the buffer that requests are read into. Ours are small, our reads are not: so libfuse's answer
// to INIT goes through a pipe, where max_pages is raised, and only then does the session write to the device.
#include "fuse_frontend/kernel/session.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>

#include "tree/limits.h"

namespace copper {

Session::Session(int device, Lanes& lanes) : device_(device) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  init_replies_ = FileDescriptor(ends[0]);
  session_fd_ = ends[1];
  std::array<char, 12> name{"copper_fuse"};
  std::array<char*, 2> arguments{name.data(), nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, arguments.data());
  session_.reset(fuse_session_new(&args, &operations(), sizeof(fuse_lowlevel_ops), &lanes));
  fuse_opt_free_args(&args);
  if (!session_ ||
      fuse_session_mount(session_.get(), ("/dev/fd/" + std::to_string(session_fd_)).c_str()) != 0) {
    throw std::runtime_error("libfuse makes no session");
  }
}

void Session::initialize(std::span<std::byte> request) {
  const fuse_buf buffer{.size = request.size(), .flags = {}, .mem = request.data(), .fd = -1, .pos = 0};
  fuse_session_process_buf(session_.get(), &buffer);
  struct {
    fuse_out_header header;
    fuse_init_out init;
  } reply{};
  const auto got = ::read(init_replies_.get(), &reply, sizeof reply);
  const auto long_enough =
      static_cast<ssize_t>(sizeof(fuse_out_header) + offsetof(fuse_init_out, map_alignment));
  if (got < long_enough || reply.header.error != 0)
    throw std::runtime_error("libfuse does not accept this kernel");
  if (reply.init.flags & FUSE_MAX_PAGES) {
    reply.init.max_pages =
        static_cast<std::uint16_t>(limits::block_bytes / static_cast<std::size_t>(::getpagesize()));
  }
  // libfuse before 3.16.2 does not tell the kernel that it may look names up in one directory side by side.
  reply.init.flags |= FUSE_PARALLEL_DIROPS;
  // ENOENT: a former worker answered. The kernel gives no number twice, so nothing else is answered by this.
  if (::write(device_, &reply, static_cast<std::size_t>(got)) != got && errno != ENOENT) {
    throw std::system_error(errno, std::generic_category(), "the kernel does not accept the answer to INIT");
  }
  if (::dup3(device_, session_fd_, O_CLOEXEC) < 0)
    throw std::system_error(errno, std::generic_category(), "dup3");
  init_replies_ = FileDescriptor();
}

}  // namespace copper
