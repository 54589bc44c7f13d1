// The companion job as MPI sees it: from MPI_Init_thread to the end of the process. MPI_THREAD_FUNNELED:
// constructed, used and left by the one thread that runs MPI and the tree. Never fork while one exists.
//
// Ranks are numbered in the machine's order (machine_order.h), not in the launcher's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
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

  // The following are for start-up, collective and blocking. group_hosts() orders the ranks anew, by the
  // groups of their hosts, given by rank; it invalidates what ranks() returned.
  void group_hosts(const std::vector<std::string>& groups);
  // Rank 0's text, if it has one, at every rank; what others give is not looked at.
  std::optional<std::string> share(std::optional<std::string> text) const;
  // Every rank's text, by rank, at rank 0; nothing elsewhere.
  std::vector<std::string> gather(const std::string& mine) const;
  // True where it is true on every rank.
  bool all(bool mine) const;

  std::uint32_t rank() const { return rank_; }
  std::uint32_t size() const { return size_; }
  const std::vector<std::string>& hosts() const { return hosts_; }  // by rank
  const MpiRanks& ranks() const { return *ranks_; }

  // True when all ranks have called it, false where some have not within `patience`. Meanwhile it does what
  // it is given, again and again: others may need this rank until they come.
  bool meet(std::chrono::seconds patience, const std::function<void()>& meanwhile) const;

  // The end of the process. leave(): after a barrier of our own, MPI_Finalize under an alarm, since
  // finalizing hangs in some libraries (docs/architecture.md); each bounded by `patience`. abort(): all
  // ranks, at once as far as the launcher reaches them, this one in two seconds at the latest.
  [[noreturn]] void leave(int status, std::chrono::seconds patience) const;
  [[noreturn]] void abort(int status) const;

  // "mpich" or "openmpi": the library this program is linked to. Needs no MpiJob.
  static std::string library();
  // What MPI calls this host. Needs one.
  static std::string processor();

 private:
  void order_by(const std::vector<std::uint32_t>& order);

  std::uint32_t rank_ = 0;
  std::uint32_t size_ = 1;
  std::vector<std::string> hosts_;
  std::unique_ptr<MpiRanks> ranks_;
};

}  // namespace copper
