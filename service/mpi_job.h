// The companion job as MPI sees it: from MPI_Init_thread to the end of the process. MPI_THREAD_FUNNELED:
// constructed, used and left by the one thread that runs MPI and the tree. Never fork while one exists.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace copper {

class MpiJob {
 public:
  MpiJob(int& argc,
         char**& argv);  // throws std::runtime_error; errors of later calls are returned, not fatal
  MpiJob(const MpiJob&) = delete;
  MpiJob& operator=(const MpiJob&) = delete;

  std::uint32_t rank() const { return rank_; }
  std::uint32_t size() const { return size_; }
  const std::vector<std::string>& hosts() const { return hosts_; }  // by rank

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
  std::uint32_t rank_ = 0;
  std::uint32_t size_ = 1;
  std::vector<std::string> hosts_;
};

}  // namespace copper
