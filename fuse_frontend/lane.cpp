// See lane.h.
#include "fuse_frontend/lane.h"

#include <linux/fuse.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "tree/limits.h"

namespace copper {
namespace {

using segment::FuseCounter;

constexpr auto watch_period =
    std::chrono::milliseconds{250};  // of lane 0, which tells a new rank of the mount
constexpr std::size_t requests_per_turn = 64;

std::span<segment::RequestSlot> share(Segment& segment, std::uint32_t lane) {
  const auto each = segment::request_slots / segment.lanes();
  return segment.slots().subspan(lane * each, each);
}

FileDescriptor make_epoll() {
  FileDescriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return epoll;
}

void add(int epoll, int fd, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.fd = fd}};
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

}  // namespace

Lane::Lane(const Shared& shared, Questions::Options options)
    : shared_(shared),
      number_(options.lane),
      slots_(share(shared.segment, options.lane)),
      questions_(shared.segment, inbox_, shared.direct_pace, shared.log, std::move(options)),
      epoll_(make_epoll()) {
  add(epoll_.get(), shared_.segment.bell_fd(number_), EPOLLIN);
  add(epoll_.get(), inbox_.fd(), EPOLLIN);
}

void Lane::run() {
  if (number_ == 0) questions_.post_mounted();
  take_over();
  while (!gone_) {
    take_completions();
    inbox_.run();
    const auto now = clock_now();
    wake_due(now);
    questions_.watch(now);
    bool more = true;
    for (std::size_t n = 0; more && n < requests_per_turn; ++n) more = read_request();
    if (!more) sleep();
  }
}

// ---- requests ----

// What former workers owed.
void Lane::take_over() {
  const auto& inherited = slots_.inherited();
  if (!inherited.empty())
    shared_.log->info("lane {}: {} requests of a former worker", number_, inherited.size());
  for (const auto slot : inherited) {
    if (slots_.deaths(slot) < Slots::deaths_max) {
      count(FuseCounter::requests_again);
      serve(slot);
    } else {
      give_up(slot);
    }
  }
}

// It may be what they died of.
void Lane::give_up(std::size_t slot) {
  fuse_in_header header;
  std::memcpy(&header, slots_.request(slot).data(), sizeof header);
  shared_.log->error("a request of the kernel (operation {} on inode {}) whose worker died {} times: EIO",
                     header.opcode, header.nodeid, slots_.deaths(slot));
  count(FuseCounter::requests_given_up);
  const fuse_out_header reply{.len = sizeof reply, .error = -EIO, .unique = header.unique};
  [[maybe_unused]] const auto written = ::write(shared_.device, &reply, sizeof reply);
  slots_.give_back(slot);
}

// False where there is none, or no slot for one.
bool Lane::read_request() {
  const auto slot = slots_.take();
  if (!slot) return false;
  const auto room = slots_.room(*slot);
  const auto got = ::read(shared_.device, room.data(), room.size());
  if (got >= static_cast<ssize_t>(sizeof(fuse_in_header))) {
    fuse_in_header header;
    std::memcpy(&header, room.data(), sizeof header);
    count_request(header.opcode);
    serve(*slot);
    return true;
  }
  const int error = got < 0 ? errno : EIO;
  slots_.give_back(*slot);
  if (error == EAGAIN) return false;
  if (error == ENOENT || error == EINTR) return true;  // the request was taken back
  if (error != ENODEV) shared_.log->error("reading requests: {}", std::strerror(error));
  gone_ = true;
  return false;
}

void Lane::serve(std::size_t slot) {
  const auto request = slots_.request(slot);
  unclaimed_ = slot;
  const fuse_buf buffer{.size = request.size(), .flags = {}, .mem = request.data(), .fd = -1, .pos = 0};
  fuse_session_process_buf(shared_.session, &buffer);
  // What nobody accepted needs no reply, or has had it from libfuse.
  if (const auto unclaimed = std::exchange(unclaimed_, std::nullopt)) slots_.give_back(*unclaimed);
}

Request Lane::accept(fuse_req_t request, segment::FuseOperation operation, Recording recording) {
  auto& header = shared_.segment.header();
  auto& latencies = header.fuse_latencies[number_].operations[static_cast<std::size_t>(operation)];
  return Request(request, *std::exchange(unclaimed_, std::nullopt), {slots_, inbox_, header, latencies},
                 std::move(recording), shared_.view.epoch());
}

void Lane::count_request(std::uint32_t opcode) {
  switch (opcode) {
    case FUSE_LOOKUP:
      return count(FuseCounter::fuse_lookup);
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
      return count(FuseCounter::fuse_forget);
    case FUSE_GETATTR:
      return count(FuseCounter::fuse_getattr);
    case FUSE_READLINK:
      return count(FuseCounter::fuse_readlink);
    case FUSE_OPEN:
      return count(FuseCounter::fuse_open);
    case FUSE_READ:
      return count(FuseCounter::fuse_read);
    case FUSE_OPENDIR:
      return count(FuseCounter::fuse_opendir);
    case FUSE_READDIR:
      return count(FuseCounter::fuse_readdir);
    case FUSE_READDIRPLUS:
      return count(FuseCounter::fuse_readdirplus);
    case FUSE_STATFS:
      return count(FuseCounter::fuse_statfs);
    case FUSE_IOCTL:
      return count(FuseCounter::fuse_ioctl);
    case FUSE_INTERRUPT:
      return count(FuseCounter::fuse_interrupt);
    default:
      return count(FuseCounter::fuse_other);
  }
}

// ---- waiting ----

// Only one of the lanes that listen is woken by a request.
void Lane::listen(bool on) {
  if (on == listening_) return;
  listening_ = on;
  if (on) {
    add(epoll_.get(), shared_.device, EPOLLIN | EPOLLEXCLUSIVE);
  } else {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, shared_.device, nullptr);
  }
}

void Lane::sleep() {
  listen(!slots_.empty());
  if (gone_ || !questions_.may_sleep()) return;
  const auto now = clock_now();
  std::optional<Instant> until = questions_.watch_due(now);
  if (number_ == 0) until = std::min(until.value_or(Instant::max()), now + watch_period);
  if (!due_.empty()) until = std::min(until.value_or(Instant::max()), due_.begin()->first);
  const auto timeout = until ? std::chrono::ceil<std::chrono::milliseconds>(left(*until, now)).count() : -1;
  std::array<epoll_event, 4> events;
  const int ready = ::epoll_wait(epoll_.get(), events.data(), events.size(), static_cast<int>(timeout));
  questions_.awake();
  for (int i = 0; i < ready; ++i) {
    if (events[static_cast<std::size_t>(i)].data.fd == shared_.segment.bell_fd(number_)) {
      shared_.segment.drain_bell(number_);
    }
  }
}

bool Lane::Notified::await_suspend(std::coroutine_handle<> waiter) {
  const auto wait = ++lane_.last_wait_;
  if (!lane_.shared_.notifier.after(
          [&lane = lane_, wait] { lane.inbox_.leave([&lane, wait] { lane.wake(wait); }); })) {
    return false;
  }
  lane_.waits_.emplace(wait, waiter);
  lane_.due_.emplace(clock_now() + at_most_, wait);
  return true;
}

Lane::Notified Lane::notified(Duration at_most) { return Notified(*this, at_most); }

void Lane::wake(Wait wait) {
  const auto found = waits_.find(wait);
  if (found == waits_.end()) return;
  const auto waiter = found->second;
  waits_.erase(found);
  waiter.resume();
}

void Lane::wake_due(Instant now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const auto wait = due_.begin()->second;
    due_.erase(due_.begin());
    wake(wait);
  }
}

// ---- what the rank says ----

void Lane::take_completions() {
  while (true) {
    const auto notices = questions_.completions();
    if (notices.empty()) return;
    for (const auto& noticed : notices) notice(noticed);
  }
}

void Lane::clear(const Noticed& noticed) {
  shared_.log->info("clearing {}", noticed.path);
  shared_.forgetter.forget(noticed.path, [this, number = noticed.clear] {
    inbox_.leave([this, number] { questions_.post_cleared(number); });
  });
}

void Lane::notice(const Noticed& noticed) {
  if (noticed.clear != 0) return clear(noticed);
  shared_.log->info("{} changed", noticed.path);
  const bool listing = noticed.kind == Kind::listing;
  const auto path = listing ? std::string_view(noticed.path) : parent_path(noticed.path);
  const auto inode = shared_.inodes.directory_at(path);
  if (!inode) return;
  if (const auto directory = shared_.view.known(inode->id, inode->generation)) shared_.view.expire(directory);
  if (listing) {
    shared_.notifier.inode(inode->id);
  } else {
    shared_.notifier.entry(inode->id, noticed.path.substr(noticed.path.rfind('/') + 1));
  }
}

Result<View::DirectoryRef> Lane::directory(Nodeid id) {
  const auto inode = shared_.inodes.inode(id);
  if (!inode) return Errno{ESTALE};
  if (!inode->is_directory()) return Errno{ENOTDIR};
  if (auto known = shared_.view.known(id, inode->generation)) return known;
  const auto path = shared_.inodes.path(id);
  if (!path.ok()) return path.error();
  return shared_.view.directory(*inode, *path);
}

// A count that is too high keeps an inode, one too low would lose it.
void Lane::take_forget(std::span<const fuse_forget_data> forgets) {
  slots_.each_once(*unclaimed_, forgets.size(),
                   [&](std::size_t n) { forget(forgets[n].ino, forgets[n].nlookup); });
}

void Lane::forget(Nodeid id, std::uint64_t lookups) {
  for (const auto& freed : shared_.inodes.forget(id, lookups)) {
    shared_.view.forget(freed.id, freed.generation);
    shared_.absent.forget(freed.generation);
  }
}

}  // namespace copper
