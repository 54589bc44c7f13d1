// The control ioctl on the mount's root directory: how the `copper` command reaches the rank through the
// mount. Never a file, which the page cache would answer. A reply longer than one record is fetched in
// pieces: `offset` 0 asks and returns a `ticket`, further pieces name it. Plain records, no pointers.
#pragma once

#include <linux/ioctl.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace copper::control {

inline constexpr std::uint32_t magic = 0x52505043;  // "CPPR"
inline constexpr std::uint32_t version = 1;
inline constexpr std::size_t piece_bytes = 7 * 1024;

struct Exchange {
  std::uint32_t magic_in;
  std::uint32_t version_in;
  std::uint32_t op;                    // tree/ports.h ControlOp
  std::uint32_t bytes;                 // in, for offset 0: of the path to clear; out: of this piece
  std::uint64_t ticket;                // in, for offset > 0; out
  std::uint64_t offset;                // in
  std::uint64_t total;                 // out: of the whole reply
  std::array<char, piece_bytes> text;  // in: the path to clear, as the source names it; out
};
static_assert(sizeof(Exchange) <= 8192 - 72, "a request of the kernel with its headers has room for it");

inline constexpr unsigned long request = _IOWR('c', 1, Exchange);

}  // namespace copper::control
