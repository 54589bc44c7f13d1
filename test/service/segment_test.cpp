// The segment's file: made, found, attached to, refused.
#include "service/segment/segment.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

#include "test/service/child.h"
#include "test/service/scratch.h"

namespace copper {
namespace {

using Catch::Matchers::Contains;
using std::chrono::milliseconds;

SegmentOptions options(const Scratch& scratch) {
  return {.stem = scratch / "node0", .lanes = 2, .arena_bytes = std::size_t{1} << 20};
}

Segment own(const Scratch& scratch, milliseconds patience = milliseconds(0)) {
  return Segment::own(options(scratch), patience);
}

}  // namespace

TEST_CASE("a segment is made complete, private and sparse, and is attached to") {
  const Scratch scratch;
  const auto segment = own(scratch);
  CHECK(segment.header().service_generation == 1);
  CHECK(segment.header().service_pid == static_cast<std::uint32_t>(::getpid()));
  struct stat st {};
  REQUIRE(::stat(scratch.at("node0.segment").c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0600);
  CHECK(st.st_blocks * 512 < st.st_size / 10);
  REQUIRE(::stat(scratch.at("node0.bell.1").c_str(), &st) == 0);
  CHECK(S_ISFIFO(st.st_mode));
  CHECK((st.st_mode & 07777) == 0600);

  const auto attached = Segment::attach(scratch / "node0", milliseconds(0));
  CHECK(attached.arena().size() == std::size_t{1} << 20);
  CHECK(::readlink("/proc/self", reinterpret_cast<char*>(attached.arena().data()), 8) == -1);  // only to read
  CHECK(attached.inodes().size() == segment::inodes_max);
  segment.lane(1).posts.tail = 7;
  CHECK(attached.lane(1).posts.tail == 7);
  CHECK(attached.lane(0).posts.tail == 0);
  segment.slots().back().deaths = 3;
  CHECK(attached.slots().back().deaths == 3);
}

TEST_CASE("a segment left behind is taken over with what it holds") {
  const Scratch scratch;
  {
    auto former = own(scratch);
    REQUIRE(former.commit_arena(4096));
    former.arena()[0] = std::byte{42};
  }
  const auto segment = own(scratch);
  CHECK(segment.header().service_generation == 2);
  CHECK(segment.arena()[0] == std::byte{42});
}

TEST_CASE("unlinked files leave nothing behind, and the mapping stays") {
  const Scratch scratch;
  auto segment = own(scratch);
  segment.unlink_files();
  CHECK(std::filesystem::is_empty(scratch.path()));
  segment.header().worker_pid = 5;
  CHECK(segment.header().worker_pid == 5);
}

TEST_CASE("a second owner is refused while the first lives") {
  const Scratch scratch;
  const auto segment = own(scratch);
  CHECK_THROWS_WITH(own(scratch, milliseconds(30)), Contains("still holds it"));
}

TEST_CASE("a second front end is refused while the first lives, and locks outlive neither") {
  const Scratch scratch;
  const auto segment = own(scratch);
  {
    const auto first = Segment::attach(scratch / "node0", milliseconds(0));
    CHECK_THROWS_WITH(Segment::attach(scratch / "node0", milliseconds(0)), Contains("another copper_fuse"));
  }
  CHECK_NOTHROW(Segment::attach(scratch / "node0", milliseconds(0)));
}

TEST_CASE("the front end's lock is its child's too") {
  const Scratch scratch;
  const auto segment = own(scratch);
  auto first = std::make_unique<Segment>(Segment::attach(scratch / "node0", milliseconds(0)));
  std::array<int, 2> hold{};
  REQUIRE(::pipe(hold.data()) == 0);
  const Child worker([&](auto ready) {
    ::close(hold[1]);
    ready();
    char end = 0;
    return static_cast<int>(::read(hold[0], &end, 1));
  });
  first.reset();
  CHECK_THROWS_AS(Segment::attach(scratch / "node0", milliseconds(0)), Refusal);
  ::close(hold[1]);
  ::close(hold[0]);
  worker.wait();
  CHECK_NOTHROW(Segment::attach(scratch / "node0", milliseconds(0)));
}

TEST_CASE("attach waits for the segment to appear, and no longer than it may") {
  const Scratch scratch;
  CHECK_THROWS_WITH(Segment::attach(scratch / "node0", milliseconds(20)), Contains("no copper_service"));
  CHECK_THROWS_AS(Segment::attach(scratch / "missing/node0", milliseconds(20)), Refusal);
  std::thread late([&] {
    std::this_thread::sleep_for(milliseconds(50));
    const auto segment = own(scratch);
    std::this_thread::sleep_for(milliseconds(50));
  });
  CHECK_NOTHROW(Segment::attach(scratch / "node0", milliseconds(10'000)));
  late.join();
}

TEST_CASE("what other users could have made or may read is refused") {
  const Scratch scratch;
  SECTION("a directory open to others") {
    ::chmod(scratch.path().c_str(), 0755);
    CHECK_THROWS_WITH(own(scratch), Contains("0755"));
    CHECK_THROWS_WITH(Segment::attach(scratch / "node0", milliseconds(0)), Contains("0755"));
  }
  SECTION("a directory that is a symbolic link") {
    std::filesystem::create_directory(scratch / "real");
    ::chmod(scratch.at("real").c_str(), 0700);
    std::filesystem::create_symlink("real", scratch / "link");
    CHECK_THROWS_AS(Segment::own({.stem = scratch / "link" / "node0"}, milliseconds(0)), Refusal);
  }
  SECTION("a missing directory") {
    CHECK_THROWS_WITH(Segment::own({.stem = scratch / "missing/node0"}, milliseconds(0)),
                      Contains("missing"));
  }
  SECTION("a segment open to others") {
    { const auto former = own(scratch); }
    ::chmod(scratch.at("node0.segment").c_str(), 0640);
    CHECK_THROWS_WITH(own(scratch), Contains("0640"));
    CHECK_THROWS_WITH(Segment::attach(scratch / "node0", milliseconds(0)), Contains("0640"));
  }
  SECTION("a segment that is a symbolic link") {
    { const auto former = own(scratch); }
    std::filesystem::rename(scratch / "node0.segment", scratch / "elsewhere");
    std::filesystem::create_symlink("elsewhere", scratch / "node0.segment");
    CHECK_THROWS_WITH(own(scratch), Contains("symbolic link"));
    CHECK_THROWS_WITH(Segment::attach(scratch / "node0", milliseconds(0)), Contains("symbolic link"));
  }
  SECTION("a bell that is none") {
    scratch.write("node0.bell.0", "");
    ::chmod(scratch.at("node0.bell.0").c_str(), 0600);
    CHECK_THROWS_WITH(own(scratch), Contains("wrong file type"));
  }
  SECTION("another user's directory") {
    if (::geteuid() != 0) {
      WARN("skipped: only root can give a directory away");
      return;
    }
    REQUIRE(::chown(scratch.path().c_str(), 1, 1) == 0);
    CHECK_THROWS_WITH(own(scratch), Contains("belongs to user 1"));
  }
}

TEST_CASE("another layout, other sizes and foreign files are refused by name") {
  const Scratch scratch;
  const std::string path = scratch.at("node0.segment");
  SECTION("another version") {
    { own(scratch).header().layout_version = 77; }
    CHECK_THROWS_WITH(own(scratch), Contains("version 77") &&
                                        Contains("version " + std::to_string(segment::layout_version)));
    CHECK_THROWS_WITH(Segment::attach(scratch / "node0", milliseconds(0)), Contains("version 77"));
  }
  SECTION("another arena") {
    { const auto former = own(scratch); }
    auto other = options(scratch);
    other.arena_bytes *= 2;
    CHECK_THROWS_WITH(Segment::own(other, milliseconds(0)), Contains("1048576") && Contains("2097152"));
  }
  SECTION("other lanes") {
    { const auto former = own(scratch); }
    auto other = options(scratch);
    other.lanes = 3;
    CHECK_THROWS_WITH(Segment::own(other, milliseconds(0)), Contains("2 lanes") && Contains("3"));
  }
  SECTION("a foreign file") {
    scratch.write("node0.segment", std::string(100'000, 'x'));
    ::chmod(path.c_str(), 0600);
    CHECK_THROWS_WITH(own(scratch), Contains("no segment of Copper"));
  }
  SECTION("a short file") {
    scratch.write("node0.segment", "x");
    ::chmod(path.c_str(), 0600);
    CHECK_THROWS_WITH(own(scratch), Contains("too short"));
  }
  SECTION("a truncated segment") {
    { const auto former = own(scratch); }
    REQUIRE(::truncate(path.c_str(), 1 << 20) == 0);
    CHECK_THROWS_WITH(own(scratch), Contains("damaged"));
  }
  SECTION("regions that lie elsewhere") {
    { own(scratch).header().arena_region.offset -= 64; }
    CHECK_THROWS_WITH(Segment::attach(scratch / "node0", milliseconds(0)), Contains("damaged"));
  }
  SECTION("an arena so large that the sum of all sizes comes round again") {
    {
      auto nine_mib = options(scratch);
      nine_mib.arena_bytes = 9 << 20;  // a lane more, and its index is as large
      const auto former = Segment::own(nine_mib, milliseconds(0));
      auto& header = former.header();
      header.lanes = 1;  // smaller by a lane, so larger by an arena
      const auto page = [](std::uint64_t bytes) { return segment::align_up(bytes, 4096); };
      const auto lane = page(2 * sizeof(segment::Lane)) - page(sizeof(segment::Lane));
      header.lane_region.bytes = sizeof(segment::Lane);
      for (auto* region :
           {&header.slot_region, &header.index_region, &header.inode_region, &header.absent_region})
        region->offset -= lane;
      const auto end = header.absent_region.offset + page(header.absent_region.bytes);
      header.arena_region.offset = segment::align_up(end, segment::huge_page_bytes);
      header.arena_region.bytes = header.file_bytes - header.arena_region.offset;
      CHECK(Segment::attach(scratch / "node0", milliseconds(0)).arena().size() == header.arena_region.bytes);
      header.arena_region.bytes -= std::uint64_t{1} << 63;
      CHECK_THROWS_WITH(Segment::attach(scratch / "node0", milliseconds(0)), Contains("damaged"));
    }
  }
  SECTION("impossible options") {
    auto none = options(scratch);
    none.lanes = 0;
    CHECK_THROWS_WITH(Segment::own(none, milliseconds(0)), Contains("lanes"));
    none = options(scratch);
    none.arena_bytes = 100;
    CHECK_THROWS_WITH(Segment::own(none, milliseconds(0)), Contains("cache"));
  }
}

TEST_CASE("what the other process writes over the header afterwards moves nothing") {
  const Scratch scratch;
  const auto segment = own(scratch);
  const auto attached = Segment::attach(scratch / "node0", milliseconds(0));
  const auto arena = attached.arena();
  const auto* lane = &attached.lane(1);
  auto& header = segment.header();
  header.lanes = 100;
  for (auto* region : {&header.lane_region, &header.slot_region, &header.inode_region, &header.absent_region,
                       &header.arena_region}) {
    region->offset += 1 << 30;
    region->bytes = ~std::uint64_t{0};
  }
  CHECK(attached.arena().data() == arena.data());
  CHECK(attached.arena().size() == arena.size());
  CHECK(&attached.lane(1) == lane);
  CHECK(attached.lanes() == 2);
}

TEST_CASE("the rank's doorbell wakes a sleeper in another process, and an early ring is not lost") {
  const Scratch scratch;
  const auto segment = own(scratch);
  const auto seen = segment.doorbell();
  segment.ring_service();
  const auto begin = std::chrono::steady_clock::now();
  segment.wait_service(seen, std::chrono::seconds(10));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));

  const Child ringer([&](auto ready) {
    const auto attached = Segment::attach(scratch / "node0", milliseconds(0));
    ready();
    while (attached.header().service_sleeping == 0) std::this_thread::yield();
    attached.ring_service();
    return 0;
  });
  const auto now = segment.doorbell();
  segment.wait_service(now, std::chrono::seconds(10));
  CHECK(segment.doorbell() == now + 1);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  CHECK(ringer.wait() == 0);
  segment.wait_service(segment.doorbell(), std::chrono::microseconds(100));
}

TEST_CASE("a lane's bell is readable when rung, however often, until drained") {
  const Scratch scratch;
  const auto segment = own(scratch);
  const auto attached = Segment::attach(scratch / "node0", milliseconds(0));
  const auto rung = [&](std::uint32_t lane) {
    pollfd bell{attached.bell_fd(lane), POLLIN, 0};
    return ::poll(&bell, 1, 0) == 1;
  };
  CHECK(!rung(1));
  for (int i = 0; i < 100'000; ++i) segment.ring_lane(1);
  CHECK(rung(1));
  CHECK(!rung(0));
  attached.drain_bell(1);
  CHECK(!rung(1));
}

}  // namespace copper
