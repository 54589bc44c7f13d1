// The waiting room of delayed and hanging requests. libfuse calls on_interrupt with the request's own lock
// held, so that lock is never taken (fuse_req_interrupt_func) while mutex_ is held.
#include "test/storage_model/gate.h"

#include <algorithm>
#include <cerrno>

namespace copper::storage_model {

bool Gate::Rule::covers(Op asked, std::string_view path) const {
  if (op && *op != asked) return false;
  if (prefix == "/") return true;
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

Gate::Gate(const std::optional<simulation::StorageProfile>& speed, std::uint32_t clients) {
  if (speed) queues_.emplace(*speed, clients);
}

int Gate::pass(fuse_req_t request, const Question& question) {
  const auto op = question.op;
  const auto& path = question.path;
  std::unique_lock lock(mutex_);
  const auto arrived = Clock::now();
  const auto answered = served(question, arrived);
  const auto delay = delay_of(op, path);
  if (!ended_ && (answered > arrived || delay.count() > 0 || hangs(op, path))) {
    const auto self = waiters_.insert(waiters_.end(), Waiter{this, path});
    lock.unlock();
    fuse_req_interrupt_func(request, on_interrupt, &*self);
    lock.lock();
    while (!ended_ && (!self->interrupted || held(op, path))) {
      const auto until = delay_of(op, path).count() > 0 ? std::max(answered, arrived + delay) : answered;
      if (hangs(op, path)) {
        changed_.wait(lock);
      } else if (Clock::now() < until) {
        changed_.wait_until(lock, until);
      } else {
        break;
      }
    }
    lock.unlock();
    fuse_req_interrupt_func(request, nullptr, nullptr);
    lock.lock();
    const bool interrupted = self->interrupted;
    waiters_.erase(self);
    if (interrupted) return EINTR;
  }
  return ended_ ? EIO : error_of(op, path);
}

Gate::Clock::time_point Gate::served(const Question& question, Clock::time_point now) {
  if (!queues_) return now;
  const Instant at{std::chrono::duration_cast<Duration>(now.time_since_epoch())};
  const auto done = question.op == Op::read ? queues_->data(question.client, at, question.bytes)
                                            : queues_->metadata(question.client, at, 1);
  return Clock::time_point(std::chrono::duration_cast<Clock::duration>(done.time_since_epoch()));
}

void Gate::on_interrupt(fuse_req_t, void* waiter) {
  auto& self = *static_cast<Waiter*>(waiter);
  auto& gate = *self.gate;
  const std::lock_guard lock(gate.mutex_);
  self.interrupted = true;
  gate.changed_.notify_all();
}

void Gate::delay(std::string prefix, std::optional<Op> op, std::chrono::milliseconds by) {
  const std::lock_guard lock(mutex_);
  delays_.push_back({{std::move(prefix), op}, by});
}

void Gate::fail(std::string prefix, std::optional<Op> op, int error) {
  const std::lock_guard lock(mutex_);
  failures_.push_back({{std::move(prefix), op}, error});
}

void Gate::hang(std::string prefix, std::optional<Op> op) {
  const std::lock_guard lock(mutex_);
  hangs_.push_back({{std::move(prefix), op}, false});
}

void Gate::hold(std::string prefix, std::optional<Op> op) {
  const std::lock_guard lock(mutex_);
  hangs_.push_back({{std::move(prefix), op}, true});
}

void Gate::release() {
  const std::lock_guard lock(mutex_);
  hangs_.clear();
  changed_.notify_all();
}

void Gate::clear() {
  const std::lock_guard lock(mutex_);
  delays_.clear();
  failures_.clear();
  hangs_.clear();
  changed_.notify_all();
}

void Gate::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

std::vector<std::string> Gate::waiting() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> paths;
  for (const auto& waiter : waiters_) paths.push_back(waiter.path);
  return paths;
}

// The last rule given wins.
std::chrono::milliseconds Gate::delay_of(Op op, std::string_view path) const {
  const auto it = std::find_if(delays_.rbegin(), delays_.rend(), [&](auto& d) { return d.covers(op, path); });
  return it == delays_.rend() ? std::chrono::milliseconds{0} : it->by;
}

int Gate::error_of(Op op, std::string_view path) const {
  const auto it =
      std::find_if(failures_.rbegin(), failures_.rend(), [&](auto& f) { return f.covers(op, path); });
  return it == failures_.rend() ? 0 : it->error;
}

bool Gate::hangs(Op op, std::string_view path) const {
  return std::any_of(hangs_.begin(), hangs_.end(), [&](auto& h) { return h.covers(op, path); });
}

bool Gate::held(Op op, std::string_view path) const {
  return std::any_of(hangs_.begin(), hangs_.end(), [&](auto& h) { return h.held && h.covers(op, path); });
}

}  // namespace copper::storage_model
