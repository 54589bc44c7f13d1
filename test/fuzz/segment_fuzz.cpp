// A segment's file whose header is not to be believed: attached to, or taken over; then written over by the
// other process. Input: the file's length, then {offset, value} for its header, before and after.
#include <fcntl.h>
#include <unistd.h>

#include "test/fuzz/fuzz_segment.h"

namespace copper {
namespace {

SegmentOptions options_of(std::filesystem::path stem) {
  return {.stem = std::move(stem), .lanes = 2, .arena_bytes = fuzz_arena_bytes};
}

// A good segment's file, open; its header as it is.
struct Good {
  Scratch scratch;
  FileDescriptor file;
  std::array<std::byte, sizeof(segment::Header)> head{};
  std::uint64_t bytes = 0;
  std::uint64_t fixed = 0;  // from here on it is sparse

  Good() {
    const auto made = Segment::own(options_of(scratch / "node"), std::chrono::milliseconds(0));
    bytes = made.header().file_bytes;
    fixed = made.header().inode_region.offset;
    file = FileDescriptor(::open((scratch / "node.segment").c_str(), O_RDWR | O_CLOEXEC));
    renew();
    must(::pread(file.get(), head.data(), head.size(), 0) == static_cast<ssize_t>(head.size()),
         "it can be read");
  }
  void renew() const {
    must(::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0, "it has its length");
    if (head[0] != std::byte{0}) patch(0, head);
  }
  void patch(std::size_t offset, std::span<const std::byte> with) const {
    must(::pwrite(file.get(), with.data(), with.size(), static_cast<off_t>(offset)) >= 0,
         "it can be written");
  }
};

void patch(const Good& good, FuzzInput& input, int patches) {
  for (; patches > 0 && !input.empty(); --patches) {
    const std::size_t offset = input.take<std::uint16_t>() % (sizeof(segment::Header) / 4) * 4;
    const auto value = input.bytes(1 + input.byte() % 8);
    good.patch(offset, value);
  }
}

// The first and the last byte of all that it offers. The growing regions are only mapped.
void look(const Segment& segment, std::uint64_t file_bytes) {
  must(segment.lanes() >= 1 && segment.lanes() <= segment::lanes_max, "it has some lanes");
  const auto* begin = reinterpret_cast<const std::byte*>(&segment.header());
  const auto within = [&](std::span<const std::byte> bytes) {
    must(bytes.data() >= begin && bytes.data() + bytes.size() <= begin + file_bytes, "it lies in the file");
  };
  for (std::uint32_t lane = 0; lane < segment.lanes(); ++lane) {
    within({reinterpret_cast<const std::byte*>(&segment.lane(lane)), sizeof(segment::Lane)});
    touch(std::as_bytes(std::span(&segment.lane(lane).posts.records.back(), 1)));
    must(segment.bell_fd(lane) >= 0, "a lane has a bell");
  }
  within(std::as_bytes(segment.slots()));
  within(std::as_bytes(segment.inodes()));
  within(segment.arena());
  for (std::uint64_t hash = 0; hash < 64; ++hash) (void)segment.index().find(hash);
  touch(std::as_bytes(segment.slots().last(1)));
}

}  // namespace
}  // namespace copper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace copper;
  static const Good good;
  FuzzInput input(data, size);
  const auto how = input.byte();
  std::uint64_t bytes = good.bytes;
  if (how % 8 == 7) {  // what is cut off is a hole: the fixed part stays
    bytes = good.fixed + input.take<std::uint64_t>() % (2 * good.bytes);
    must(::ftruncate(good.file.get(), static_cast<off_t>(bytes)) == 0, "it has another length");
  }
  patch(good, input, how / 8 % 8);
  try {
    const auto stem = good.scratch / "node";
    const auto segment = how >= 128 ? Segment::own(options_of(stem), std::chrono::milliseconds(0))
                                    : Segment::attach(stem, std::chrono::milliseconds(0));
    look(segment, bytes);
    patch(good, input, 8);
    look(segment, bytes);
  } catch (const Refusal&) {
  }
  good.renew();
  return 0;
}
