// See request.h.
#include "fuse_frontend/kernel/request.h"

#include <thread>
#include <utility>

#include "fuse_frontend/clock.h"
#include "fuse_frontend/count.h"
#include "fuse_frontend/rank/questions.h"

namespace copper {

namespace {

void touch(const iovec& piece) {
  const auto* bytes = static_cast<const volatile char*>(piece.iov_base);
  for (std::size_t at = 0; at < piece.iov_len; at += segment::page_bytes) static_cast<void>(bytes[at]);
  if (piece.iov_len > 0) static_cast<void>(bytes[piece.iov_len - 1]);
}

}  // namespace

// Shared with an interruption that is under way on another thread. `paid` decides who replies; only that one
// touches `request`, and the lane first waits for a running interruption to have lost
// (fuse_req_interrupt_func does so).
struct Request::Debt : std::enable_shared_from_this<Debt> {
  Debt(fuse_req_t raw, std::size_t number, const Place& at, Recording recorded, Epoch epoch)
      : request(raw), slot(number), place(at), began(epoch), recording(std::move(recorded)) {}

  // What is counted of it: once, by the one who replies.
  void replied(std::size_t bytes, bool failed) {
    const auto us = (clock_now() - read) / std::chrono::microseconds{1};
    time(place.latencies, static_cast<std::uint64_t>(us), bytes, failed);
    if (failed) count(place.header, segment::FuseCounter::fuse_errors);
    if (bytes > 0) count(place.header, segment::FuseCounter::fuse_bytes, bytes);
  }

  const Instant read = clock_now();
  const fuse_req_t request;
  const std::size_t slot;
  const Place place;
  const Epoch began;
  std::atomic<bool> paid = false;
  std::atomic<std::thread::id> registering{};  // the thread that is inside fuse_req_interrupt_func, if any
  // The lane's thread only:
  bool interruptible = false;
  bool interrupted_early = false;
  Asked* waits_for = nullptr;
  Recording recording;  // until the debt ends, shortly after the reply
};

Request::Request(fuse_req_t request, std::size_t slot, const Place& place, Recording recording, Epoch began)
    : debt_(std::make_shared<Debt>(request, slot, place, std::move(recording), began)) {}

Request::~Request() {
  if (!debt_) return;
  if (!debt_->paid.load(std::memory_order_acquire)) error(Errno{EIO});
  debt_->place.slots.give_back(debt_->slot);
}

bool Request::pay(const std::function<int(fuse_req_t)>& reply, std::size_t bytes, bool failed) {
  auto& debt = *debt_;
  if (debt.paid.exchange(true, std::memory_order_acq_rel)) return false;
  if (debt.interruptible) fuse_req_interrupt_func(debt.request, nullptr, nullptr);
  const bool taken = reply(debt.request) == 0;
  debt.place.slots.answered(debt.slot);
  debt.replied(bytes, failed);
  return taken;
}

// libfuse may call on_interrupt from within the registration, and then no reply is allowed there: it would
// free the request under libfuse's hands.
bool Request::waits_for(Asked& asked) {
  auto& debt = *debt_;
  debt.waits_for = &asked;
  if (!debt.interruptible && !debt.paid.load(std::memory_order_acquire)) {
    debt.interruptible = true;
    debt.registering = std::this_thread::get_id();
    fuse_req_interrupt_func(debt.request, on_interrupt, &debt);
    debt.registering = std::thread::id();
    if (debt.interrupted_early) error(Errno{EINTR});
  }
  return !debt.paid.load(std::memory_order_acquire);
}

Recording& Request::recording() { return debt_->recording; }
Epoch Request::began() const { return debt_->began; }

void Request::waits_no_more() { debt_->waits_for = nullptr; }

// On the thread of any lane, under libfuse's lock of this request. The lane cannot let go of the debt
// meanwhile: it first pays, and pay() waits for that lock, or finds `paid` set, which is done here with a
// reference held.
void Request::on_interrupt(fuse_req_t request, void* data) {
  auto& debt = *static_cast<Debt*>(data);
  if (debt.registering.load() == std::this_thread::get_id()) {
    debt.interrupted_early = true;
    return;
  }
  const auto held = debt.shared_from_this();
  if (debt.paid.exchange(true, std::memory_order_acq_rel)) return;
  fuse_reply_err(request, EINTR);
  debt.place.slots.answered(debt.slot);
  debt.replied(0, true);
  debt.place.inbox.leave([held] {
    if (held->waits_for != nullptr) held->waits_for->interrupted();
  });
}

bool Request::error(Errno error) {
  return pay([&](fuse_req_t request) { return fuse_reply_err(request, number(error)); }, 0, true);
}

bool Request::entry(const fuse_entry_param& entry) {
  return pay([&](fuse_req_t request) { return fuse_reply_entry(request, &entry); });
}

bool Request::attributes(const struct stat& attributes, double timeout) {
  return pay([&](fuse_req_t request) { return fuse_reply_attr(request, &attributes, timeout); });
}

bool Request::link(const std::string& target) {
  return pay([&](fuse_req_t request) { return fuse_reply_readlink(request, target.c_str()); });
}

// The pages are touched first: where one was not there yet, and the worker was killed just then, the kernel
// would fail the request instead of waiting for the page.
bool Request::bytes(std::span<const iovec> pieces) {
  for (const auto& piece : pieces) touch(piece);
  std::size_t sum = 0;
  for (const auto& piece : pieces) sum += piece.iov_len;
  const auto reply = [&](fuse_req_t request) {
    return fuse_reply_iov(request, pieces.data(), static_cast<int>(pieces.size()));
  };
  return pay(reply, sum);
}

bool Request::filesystem(const struct statvfs& filesystem) {
  return pay([&](fuse_req_t request) { return fuse_reply_statfs(request, &filesystem); });
}

bool Request::control(std::span<const std::byte> out) {
  return pay([&](fuse_req_t request) { return fuse_reply_ioctl(request, 0, out.data(), out.size()); });
}

}  // namespace copper
