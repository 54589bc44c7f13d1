// Everything that is asked about a single name. Nothing is kept between two looks.
#include "service/storage/entry_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "tree/limits.h"

namespace copper {
namespace {

std::int64_t nanoseconds(const struct statx_timestamp& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Result<EntryReader::Look> ask(MountTable& mounts, int directory, const char* name, int flags) {
  struct statx st {};
  flags |= AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_SYNC_AS_STAT;
  if (::statx(directory, name, flags, STATX_BASIC_STATS, &st) != 0) return last_errno();
  EntryReader::Look look;
  look.device = makedev(st.stx_dev_major, st.stx_dev_minor);
  look.attributes = {.ino = mounts.shown_inode(look.device, st.stx_ino),
                     .size = st.stx_size,
                     .mtime_ns = nanoseconds(st.stx_mtime),
                     .ctime_ns = nanoseconds(st.stx_ctime),
                     .blocks = st.stx_blocks,
                     .mode = st.stx_mode,
                     .nlink = st.stx_nlink,
                     .uid = st.stx_uid,
                     .gid = st.stx_gid,
                     .rdev = static_cast<std::uint32_t>(makedev(st.stx_rdev_major, st.stx_rdev_minor)),
                     .blksize = st.stx_blksize};
  return look;
}

// Real time, or less: whoever sets the machine's clock forwards makes nothing look older than it is.
std::chrono::nanoseconds real_time_at_most() {
  using std::chrono::nanoseconds, std::chrono::steady_clock, std::chrono::system_clock;
  const nanoseconds real = system_clock::now().time_since_epoch();
  const nanoseconds steady = steady_clock::now().time_since_epoch();
  static const nanoseconds ahead = real - steady;  // when this process first looked at anything
  return std::min(real, steady + ahead);
}

std::vector<gid_t> own_groups() {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(0, count)));
  groups.push_back(::getegid());
  return groups;
}

}  // namespace

EntryReader::EntryReader(MountTable& mounts) : mounts_(mounts), user_(::geteuid()), groups_(own_groups()) {}

Result<EntryReader::Look> EntryReader::look(int file) const { return ask(mounts_, file, "", AT_EMPTY_PATH); }

Result<Entry> EntryReader::entry(int directory, const std::string& name) const {
  constexpr int tries = 4;  // a link that is replaced all the time is not read for ever
  for (int i = 0; i < tries; ++i) {
    const auto found = ask(mounts_, directory, name.c_str(), name.empty() ? AT_EMPTY_PATH : 0);
    if (!found) return found.error();
    Entry entry{.attributes = found->attributes, .target = {}, .racy = racy(found->attributes.ctime_ns)};
    if (!S_ISLNK(entry.attributes.mode)) {
      grant(entry.attributes, directory, name);
      return entry;
    }
    std::array<char, limits::path_bytes + 1> target;
    const ssize_t bytes = ::readlinkat(directory, name.c_str(), target.data(), target.size());
    if (bytes < 0 && errno != EINVAL) return last_errno();
    if (bytes < 0) continue;  // no longer a link
    entry.target.assign(target.data(), static_cast<std::size_t>(bytes));
    if (entry.target.size() == entry.attributes.size || entry.attributes.size == 0) return entry;
  }
  return Errno{ESTALE};
}

bool EntryReader::racy(std::int64_t ctime_ns) {
  return std::chrono::nanoseconds(ctime_ns) > real_time_at_most() - limits::racy_window;
}

// Only bits that some class of users has are asked about: the mask of an access control list is one of them,
// so that what it does not have nobody is granted.
void EntryReader::grant(Attributes& attributes, int directory, const std::string& name) const {
  if (user_ == 0 || !(S_ISREG(attributes.mode) || S_ISDIR(attributes.mode))) return;
  const bool member = std::ranges::find(groups_, attributes.gid) != groups_.end();
  const unsigned shift = attributes.uid == user_ ? 6
                         : member                ? 3
                                                 : 0;  // the class that the kernel will look at
  const int flags = AT_EACCESS | (name.empty() ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW);
  const std::uint32_t mode = attributes.mode;
  for (const auto& [bit, access] : {std::pair{04u, R_OK}, std::pair{01u, X_OK}}) {
    const bool anybody = (mode & (bit | bit << 3 | bit << 6)) != 0;
    if (!anybody || (mode >> shift & bit) != 0) continue;
    if (::faccessat(directory, name.c_str(), access, flags) == 0) attributes.mode |= bit << shift;
  }
}

}  // namespace copper
