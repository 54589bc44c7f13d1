// What a successor finds in the segment, wherever its predecessor was killed: no request lost, no lookup
// count too low, every absent name. The worker is a forked child, the kernel a table in shared memory.
#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <random>
#include <string>

#include "fuse_frontend/kernel/slots.h"
#include "fuse_frontend/view/absent_names.h"
#include "fuse_frontend/view/inodes.h"
#include "test/service/scratch.h"

namespace copper {
namespace {

Segment own(const Scratch& scratch) {
  return Segment::own({.stem = scratch / "node0", .lanes = 1, .arena_bytes = std::size_t{1} << 20},
                      std::chrono::milliseconds(0));
}

void put_request(Slots& slots, std::size_t slot, std::uint32_t opcode, std::uint64_t unique,
                 std::span<const std::uint64_t> words = {}) {
  fuse_in_header header{};
  header.len = static_cast<std::uint32_t>(sizeof header + words.size_bytes());
  header.opcode = opcode;
  header.unique = unique;
  const auto room = slots.room(slot);
  std::ranges::copy(std::as_bytes(words), room.data() + sizeof header);
  std::memcpy(room.data(), &header, sizeof header);
}

// ---- slots ----

TEST_CASE("a successor finds each request that was read and not replied to, in the kernel's order") {
  const Scratch scratch;
  const auto segment = own(scratch);
  const auto share = segment.slots().first(8);
  Slots dead(share);
  CHECK(dead.inherited().empty());
  for (const std::uint64_t unique : {30, 10, 40, 20}) put_request(dead, *dead.take(), FUSE_LOOKUP, unique);
  dead.answered(*dead.take());
  REQUIRE(dead.take());  // nothing was read into it
  dead.give_back(2);     // that with 40

  Slots next(share);
  REQUIRE(next.inherited() == std::vector<std::size_t>{1, 3, 0});
  CHECK(next.request(1).size() == sizeof(fuse_in_header));
  for (int free = 0; free < 5; ++free) CHECK(next.take());
  CHECK(!next.take());
}

TEST_CASE("a slot that is taken again knows nothing of the request before") {
  const Scratch scratch;
  const auto segment = own(scratch);
  const auto share = segment.slots().first(1);
  Slots slots(share);
  put_request(slots, *slots.take(), FUSE_FORGET, 1);
  share[0].deaths = 4;
  slots.each_once(0, 3, [](std::size_t) {});
  slots.give_back(0);
  REQUIRE(slots.take() == 0u);
  CHECK(slots.request(0).empty());
  CHECK(slots.deaths(0) == 0);
  int done = 0;
  slots.each_once(0, 2, [&](std::size_t) { ++done; });
  CHECK(done == 2);
}

TEST_CASE("a length that no request has is none") {
  const Scratch scratch;
  const auto segment = own(scratch);
  Slots slots(segment.slots().first(1));
  const auto slot = *slots.take();
  for (const std::uint32_t length : {1u, 39u, static_cast<std::uint32_t>(segment::request_bytes) + 1, ~0u}) {
    std::memcpy(slots.room(slot).data(), &length, sizeof length);
    CHECK(slots.request(slot).empty());
  }
}

// ---- inodes ----

constexpr std::size_t inodes_told = 64;
constexpr int deaths = 300;

struct Kernel {
  std::array<std::uint64_t, inodes_told> lookups;
  std::array<std::uint64_t, inodes_told> generations;
  std::atomic<std::uint64_t> requests;
};

struct Shared {
  Kernel* const kernel = static_cast<Kernel*>(
      ::mmap(nullptr, sizeof(Kernel), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  Shared() { REQUIRE(kernel != MAP_FAILED); }
  Shared(const Shared&) = delete;
  ~Shared() { ::munmap(kernel, sizeof(Kernel)); }
};

class Worker {
 public:
  Worker(Segment& segment, Kernel& kernel)
      : segment_(segment), kernel_(kernel), inodes_(segment), slots_(segment.slots().first(4)) {
    for (const auto slot : slots_.inherited()) forget(slot);
  }

  // Until it is killed.
  [[noreturn]] void work(unsigned seed) {
    std::mt19937 random(seed);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    while (true) {
      kernel_.requests.fetch_add(1);
      if (below(64) != 0) {
        look_up(below(2) == 0 ? root_nodeid : 1 + below(inodes_told - 1), below(3), below(2) == 0, below(2));
      } else {
        std::vector<std::uint64_t> forgets;
        for (std::size_t id = 2; id < inodes_told && forgets.size() < 64; ++id) {
          auto& lookups = kernel_.lookups[id];
          if (lookups == 0 || below(2) == 0 || has_children(id)) continue;
          const auto n = 1 + below(lookups);
          lookups -= n;
          forgets.insert(forgets.end(), {id, n});
        }
        const auto slot = *slots_.take();
        put_request(slots_, slot, FUSE_BATCH_FORGET, ++unique_, forgets);
        forget(slot);
      }
    }
  }

  // What the kernel knows is there, and counted at least as high.
  void check() const {
    for (std::size_t id = 2; id < inodes_told; ++id) {
      if (kernel_.lookups[id] == 0) continue;
      const auto inode = inodes_.inode(id);
      REQUIRE(inode);
      CHECK(inode->generation == kernel_.generations[id]);
      CHECK(segment_.inodes()[id - 1].lookups >= kernel_.lookups[id]);
      CHECK(inodes_.path(id).ok());
    }
  }

  std::uint64_t too_high() const {
    std::uint64_t sum = 0;
    for (std::size_t id = 2; id < inodes_told; ++id) {
      if (inodes_.inode(id)) sum += segment_.inodes()[id - 1].lookups - kernel_.lookups[id];
    }
    return sum;
  }

  void forget_everything() {
    for (std::size_t id = 2; id < 4096; ++id) {
      if (inodes_.inode(id)) inodes_.forget(id, segment_.inodes()[id - 1].lookups);
    }
    CHECK(inodes_.directories() == std::vector{root_nodeid});
    CHECK(inodes_.children(root_nodeid).empty());
  }

 private:
  void look_up(Nodeid parent, std::size_t name, bool directory, std::size_t version) {
    if (parent != root_nodeid && (kernel_.lookups[parent] == 0 || !inodes_.inode(parent)->is_directory()))
      return;
    const auto path = inodes_.path(parent);
    if (!path.ok() || std::ranges::count(*path, '/') > 2) return;
    Entry entry;
    entry.attributes.mode = directory ? S_IFDIR : S_IFREG;
    entry.attributes.ino = version;
    const auto found = inodes_.found(parent, "name" + std::to_string(name), entry);
    if (!found.ok() || found->id >= inodes_told) return;
    kernel_.generations[found->id] = found->generation;
    ++kernel_.lookups[found->id];  // the reply
  }

  bool has_children(Nodeid id) const {
    return std::ranges::any_of(inodes_.children(id), [&](const Inode& child) {
      return child.id < inodes_told && kernel_.lookups[child.id] > 0;
    });
  }

  void forget(std::size_t slot) {
    const auto request = slots_.request(slot);
    std::vector<std::uint64_t> words((request.size() - sizeof(fuse_in_header)) / sizeof(std::uint64_t));
    std::ranges::copy(request.subspan(sizeof(fuse_in_header)),
                      std::as_writable_bytes(std::span(words)).begin());
    slots_.each_once(slot, words.size() / 2,
                     [&](std::size_t n) { inodes_.forget(words[2 * n], words[2 * n + 1]); });
    slots_.give_back(slot);
  }

  Segment& segment_;
  Kernel& kernel_;
  Inodes inodes_;
  Slots slots_;
  std::uint64_t unique_ = 0;
};

TEST_CASE("a worker killed anywhere leaves lookup counts that are too high if anything") {
  const Scratch scratch;
  auto segment = own(scratch);
  const Shared shared;
  std::mt19937 random(1);
  for (unsigned death = 0; death < deaths; ++death) {
    const auto before = shared.kernel->requests.load();
    const auto child = ::fork();
    if (child == 0) {
      std::signal(SIGTERM, SIG_DFL);
      Worker(segment, *shared.kernel).work(death);
    }
    while (shared.kernel->requests.load() < before + 20) {
      REQUIRE(::waitpid(child, nullptr, WNOHANG) == 0);  // it lives
      ::usleep(50);
    }
    ::usleep(static_cast<useconds_t>(random() % 500));
    ::kill(child, SIGKILL);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    Worker(segment, *shared.kernel).check();
  }
  Worker last(segment, *shared.kernel);
  CHECK(last.too_high() < 20 * deaths);
  last.forget_everything();
}

// ---- absent names ----

TEST_CASE("a successor knows which names the kernel takes for absent") {
  const Scratch scratch;
  auto segment = own(scratch);
  const Instant now{std::chrono::seconds(1)};
  const auto at = [&](int s) { return now + std::chrono::seconds(s); };
  {
    AbsentNames dead(segment);
    CHECK(!dead.told(1, 7, "a", at(1), now));
    CHECK(!dead.told(1, 7, "b", at(1), now));
    CHECK(!dead.told(1, 7, "b", at(2), now));
    CHECK(!dead.told(2, 8, "c", at(1), now));
    CHECK(!dead.told(3, 9, "d", at(1), now));
    CHECK(!dead.told(3, 9, "not to be kept", now, now));
    dead.forget(9);
  }
  AbsentNames next(segment);
  auto names = next.names(7);
  std::ranges::sort(names, {}, &AbsentNames::Told::name);
  REQUIRE(names.size() == 2);
  CHECK((names[0].name == "a" && names[1].name == "b" && names[1].until == at(2)));
  CHECK(next.names(9).empty());

  next.told(1, 7, "a", at(3), now);
  for (const auto& told : names) next.dropped(7, told);
  const auto left = AbsentNames(segment).names(7);
  REQUIRE(left.size() == 1);
  CHECK((left[0].name == "a" && left[0].until == at(3)));

  AbsentNames::clear(segment);
  CHECK(AbsentNames(segment).names(8).empty());
}

TEST_CASE("of too many absent names the one that was told longest ago is to be dropped, whoever told it") {
  const Scratch scratch;
  auto segment = own(scratch);
  const Instant now{std::chrono::seconds(1)};
  const auto later = now + std::chrono::seconds(1);
  {
    AbsentNames dead(segment);
    for (std::uint32_t n = 0; n < segment::absent_names_max; ++n)
      REQUIRE(!dead.told(1, 7, std::to_string(n), later, now));
  }
  AbsentNames next(segment);
  for (const char* name : {"0", "1"}) {
    const auto oldest = next.told(1, 7, std::string("new") + name, later, now);
    REQUIRE(oldest);
    CHECK((oldest->directory == 1 && oldest->name == name));
  }
  CHECK(!next.told(1, 7, "later", later + std::chrono::seconds(2), later));  // the others' time is over
}

}  // namespace
}  // namespace copper
