// The companion job as MPI sees it: from MPI_Init_thread to the end of the process. MPI_THREAD_FUNNELED:
// constructed, used and left by the one thread that runs MPI and the tree. Never fork while one exists.
//
// Ranks are numbered in the machine's order (machine_order.h), not in the launcher's.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace copper {

struct MpiRanks;  // api.h

class MpiJob {
 public:
  // Throws std::runtime_error; errors of later calls are returned, not fatal. The ranks stand in the order of
  // their hosts' names.
  MpiJob(int& argc, char**& argv);
  ~MpiJob();
  MpiJob(const MpiJob&) = delete;
  MpiJob& operator=(const MpiJob&) = delete;

  // Start-up only, collective, blocking: orders the ranks by the groups of their hosts, which one rank reads
  // from a file (HostGroups). That one throws Refusal where the file cannot be read or is malformed; then the
  // others' calls return all the same, and nothing has changed. Invalidates what ranks() returned.
  void group_hosts(const std::filesystem::path& file);

  std::uint32_t rank() const { return rank_; }
  std::uint32_t size() const { return size_; }
  const std::vector<std::string>& hosts() const { return hosts_; }  // by rank
  const MpiRanks& ranks() const { return *ranks_; }

  // Start-up only, collective, blocking: true where it is true on every rank.
  bool all(bool mine) const;

  // The end of the process. leave(): after a barrier of our own, MPI_Finalize under an alarm, since
  // finalizing hangs in some libraries (docs/architecture.md); each bounded by `patience`. abort(): at once,
  // all ranks.
  [[noreturn]] void leave(int status, std::chrono::seconds patience) const;
  [[noreturn]] void abort(int status) const;

  // "mpich" or "openmpi": the library this program is linked to. Needs no MpiJob.
  static std::string library();

 private:
  void order_by(const std::vector<std::uint32_t>& order);

  std::uint32_t rank_ = 0;
  std::uint32_t size_ = 1;
  std::vector<std::string> hosts_;
  std::unique_ptr<MpiRanks> ranks_;
};

}  // namespace copper
