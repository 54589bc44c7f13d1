// What the storage model was asked, path by path. Any thread; one mutex guards the table.
//
// A question is counted when it arrives, before any delay, hang or failure has its way with it; bytes are
// counted when they are handed over.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace copper::storage_model {

enum class Op : std::size_t { lookup, getattr, open, read, opendir, readdir, readlink, statfs, count };

inline constexpr std::size_t op_count = static_cast<std::size_t>(Op::count);

std::string_view name(Op op);
std::optional<Op> op_named(std::string_view name);

// As Copper divides files.
inline constexpr std::uint64_t block_bytes = std::uint64_t{1} << 20;

// Two reads of equal version see the same file.
struct FileVersion {
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  friend bool operator==(const FileVersion&, const FileVersion&) = default;
};

struct PathCount {
  std::array<std::uint64_t, op_count> asked{};
  std::uint64_t absent = 0;       // of the lookups, those answered ENOENT
  std::uint64_t bytes = 0;        // handed over by reads
  std::uint64_t bytes_again = 0;  // of them, those handed over before, of the same version of the file
  std::uint64_t blocks = 0;       // distinct blocks of block_bytes that bytes of the last version fell into
};

class Counts {
 public:
  void asked(Op op, const std::string& path);
  void absent(const std::string& path);
  void handed_over(const std::string& path, const FileVersion& version, std::uint64_t offset,
                   std::uint64_t bytes);

  std::map<std::string, PathCount> all() const;
  void reset();

 private:
  struct Record {
    PathCount count;
    FileVersion version;
    std::map<std::uint64_t, std::uint64_t> read;  // of that version: begin -> end, disjoint
  };

  mutable std::mutex mutex_;
  std::map<std::string, Record> records_;
};

}  // namespace copper::storage_model
