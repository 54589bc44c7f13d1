// What it costs to touch an arena's memory first, which copper_service writes to and copper_fuse reads, by
// how it is backed and mapped: touch_bench [MIB]. The least of several rounds: a virtual machine may have to
// ask its host for memory.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include "service/segment/file_descriptor.h"
#include "service/segment/layout.h"
#include "service/segment/mapping.h"

namespace copper {
namespace {

using Seconds = std::chrono::duration<double>;

template <class Work>
double seconds_of(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return Seconds(std::chrono::steady_clock::now() - begin).count();
}

void write_to(std::span<std::byte> memory) {
  for (std::size_t at = 0; at < memory.size(); at += segment::page_bytes) memory[at] = std::byte{1};
}

void read_from(std::span<std::byte> memory) {
  for (std::size_t at = 0; at < memory.size(); at += segment::page_bytes)
    static_cast<void>(*static_cast<const volatile std::byte*>(&memory[at]));
}

struct Way {
  const char* name;
  bool huge;
  bool at_once;
  bool read_only;
  double written = HUGE_VAL;
  double read = HUGE_VAL;
};

void measure(Way& way, std::size_t bytes) {
  const FileDescriptor file(::memfd_create("arena", MFD_CLOEXEC));
  if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) throw std::runtime_error("no memory");
  Mapping owner(file.get(), bytes);
  const Mapping reader(file.get(), bytes);
  if (!owner || !reader) throw std::runtime_error("no memory");
  if (way.read_only) reader.only_to_read({reader.data(), bytes});
  const auto written = seconds_of([&] {
    if (way.huge) owner.take_huge_pages(file.get(), {owner.data(), bytes});
    if (way.at_once) owner.about_to_write({owner.data(), bytes});
    write_to({owner.data(), bytes});
  });
  const auto read = seconds_of([&] { read_from({reader.data(), bytes}); });
  way.written = std::min(way.written, written);
  way.read = std::min(way.read, read);
}

}  // namespace
}  // namespace copper

int main(int argc, char** argv) {
  const std::size_t bytes = (argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 256) << 20;
  std::array<copper::Way, 4> ways{{{"small pages, one by one", false, false, false},
                                   {"the same, the reader's mapping only to read", false, false, true},
                                   {"small pages, mapped at once", false, true, true},
                                   {"huge pages", true, true, true}}};
  for (int round = 0; round < 5; ++round)
    for (auto& way : ways) copper::measure(way, bytes);
  fmt::print("{:<44}{:>8}{:>8}\n", fmt::format("{} MiB, s", bytes >> 20), "written", "read");
  for (const auto& way : ways) fmt::print("{:<44}{:8.3f}{:8.3f}\n", way.name, way.written, way.read);
  return EXIT_SUCCESS;
}
