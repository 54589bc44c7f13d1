// See worker.h.
#include "fuse_frontend/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <latch>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "fuse_frontend/kernel/session.h"
#include "fuse_frontend/kernel/slots.h"
#include "fuse_frontend/replies/operations.h"
#include "tree/limits.h"

namespace copper {
namespace {

constexpr std::size_t direct_threads = 4;
constexpr std::uint32_t read_ahead_kb = limits::block_bytes / 1024;
constexpr std::size_t listings_share = 8;      // listings hold at most this part of the arena,
constexpr std::size_t held_blocks_share = 16;  // blocks read in part this one,
constexpr std::size_t held_blocks_bytes = 16 * limits::block_bytes;  // and no more

class Threads final : public Lanes {
 public:
  Lane& here() override {
    for (const auto& thread : threads_) {
      if (pthread_equal(thread.id, pthread_self()) != 0) return *thread.lane;
    }
    throw std::logic_error("a request outside of the lanes");
  }
  // On the lane's thread, before any of them runs.
  void add(pthread_t id, Lane* lane) {
    const std::lock_guard lock(adding_);
    threads_.push_back({id, lane});
  }

 private:
  struct Thread {
    pthread_t id;
    Lane* lane;
  };
  std::mutex adding_;
  std::vector<Thread> threads_;  // constant once they run
};

bool wait_for_request(int device) {
  pollfd readable{.fd = device, .events = POLLIN, .revents = 0};
  while (::poll(&readable, 1, -1) < 0) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
  }
  return (readable.revents & POLLIN) != 0;
}

// The kernel says INIT once. It is read into a slot, like every request, and stays there: each further worker
// takes it in from there, and whether the kernel still waits for the answer makes no difference.
enum class Init { gone, first, further };
Init initialize(Session& session, int device, Segment& segment) {
  Slots slots(segment.init_slot());
  if (!slots.inherited().empty()) {
    session.initialize(slots.request(0));
    return Init::further;
  }
  slots.take();
  while (wait_for_request(device)) {
    const auto room = slots.room(0);
    if (::read(device, room.data(), room.size()) >= 0) {
      session.initialize(slots.request(0));
      return Init::first;
    }
    if (errno != EAGAIN && errno != EINTR && errno != ENOENT) break;
  }
  return Init::gone;
}

// A former worker may have meant to tell the kernel of changes, and it knew what it held: whatever a
// directory's names are taken for, the kernel now asks before it looks inside, and replies/names.h compares.
void recheck_directories(Notifier& notifier, const Inodes& inodes) {
  notifier.say([&notifier, directories = inodes.directories()] {
    for (const auto id : directories) notifier.drop_inode(id, Notifier::What::attributes);
  });
}

// The kernel reads ahead 128 KiB whatever INIT says; who may write to /sys may ask for more. Returns what is
// in force, in KiB; 0: not known.
std::uint32_t raise_read_ahead(const std::string& device, spdlog::logger& log) {
  const auto name = "/sys/class/bdi/" + device + "/read_ahead_kb";
  std::ofstream(name) << read_ahead_kb << std::flush;
  std::uint32_t in_force = 0;
  std::ifstream(name) >> in_force;
  if (in_force == read_ahead_kb) {
    log.info("the kernel reads ahead {} KiB", in_force);
  } else {
    log.info("the kernel reads ahead {} KiB, not {}: {} cannot be written here", in_force, read_ahead_kb,
             name);
  }
  return in_force;
}

bool serve(Segment& segment, int device, const WorkerOptions& options,
           const std::shared_ptr<spdlog::logger>& log) {
  auto& header = segment.header();
  const auto generation = header.worker_generation.load() + 1;
  header.worker_pid.store(static_cast<std::uint32_t>(::getpid()));
  header.worker_generation.store(generation, std::memory_order_release);

  Threads lanes;
  Session session(device, lanes);
  const auto init = initialize(session, device, segment);
  if (init == Init::gone) return false;
  header.read_ahead_kb.store(raise_read_ahead(options.device, *log), std::memory_order_relaxed);
  Inodes inodes(segment);
  const auto inherited = init == Init::further ? std::optional(header.inode_generation.load()) : std::nullopt;
  View view(segment.arena().size() / listings_share, inherited);
  const Links links(options.mount, options.local, options.map_links);
  HeldBlocks held_blocks(std::min(segment.arena().size() / held_blocks_share, held_blocks_bytes));
  LargeFiles large_files(header);
  NodePace direct_pace(options.direct_per_second, header.ranks);
  AbsentNames absent(segment);
  Notifier notifier(session.get(), header);
  if (inherited) recheck_directories(notifier, inodes);
  if (inherited && options.recorder != nullptr) options.recorder->resume();
  Forgetter forgetter(view, inodes, absent, held_blocks, notifier);
  ControlReplies control(generation);
  const Shared shared{segment,  session.get(), device,      inodes,      view,
                      links,    held_blocks,   large_files, direct_pace, absent,
                      notifier, forgetter,     control,     log,         options.recorder};
  header.mount_state.store(static_cast<std::uint32_t>(segment::MountState::mounted),
                           std::memory_order_release);
  log->info("worker {} serves {} with {} lane(s)", generation, options.mount, segment.lanes());

  std::latch known(segment.lanes());  // each lane, to all
  std::vector<std::thread> threads;
  for (std::uint32_t number = 0; number < segment.lanes(); ++number) {
    threads.emplace_back([&, number] {
      Lane lane(shared, {.lane = number,
                         .generation = generation,
                         .direct = {.threads = std::max<std::size_t>(1, direct_threads / segment.lanes()),
                                    .mount = options.mount,
                                    .local = options.local}});
      header.lane_threads[number].store(static_cast<std::uint32_t>(::gettid()));
      lanes.add(pthread_self(), &lane);
      forgetter.add(lane.inbox());
      known.arrive_and_wait();
      lane.run();
      // The other threads may be inside the kernel, or wait for what never comes: this is everybody's end.
      log->info("the mount is gone");
      log->flush();
      ::_exit(0);
    });
  }
  for (auto& thread : threads) thread.join();
  return true;
}

}  // namespace

void work(Segment& segment, int fuse_device, const WorkerOptions& options,
          std::shared_ptr<spdlog::logger> log) {
  try {
    const int flags = ::fcntl(fuse_device, F_GETFL);
    if (flags < 0 || ::fcntl(fuse_device, F_SETFL, flags | O_NONBLOCK) != 0) {
      throw std::system_error(errno, std::generic_category(), "/dev/fuse");
    }
    if (serve(segment, fuse_device, options, log)) ::_exit(0);
    log->error("the mount was gone before it was used");
  } catch (const std::exception& error) {
    log->critical("{}", error.what());
  }
  log->flush();
  ::_exit(1);
}

}  // namespace copper
