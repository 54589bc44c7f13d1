// See mpi_job.h.
#include "service/mpi_job.h"

#include <unistd.h>

#include <array>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "service/mpi_api.h"

namespace copper {
namespace {

constexpr std::size_t host_bytes = HOST_NAME_MAX + 1;

std::vector<std::string> gather_hosts(std::uint32_t size) {
  std::array<char, host_bytes> mine{};
  ::gethostname(mine.data(), mine.size() - 1);
  std::vector<char> all(size * host_bytes);
  mpi_check(
      MPI_Allgather(mine.data(), host_bytes, MPI_CHAR, all.data(), host_bytes, MPI_CHAR, MPI_COMM_WORLD),
      "MPI_Allgather");
  std::vector<std::string> hosts;
  for (std::uint32_t rank = 0; rank < size; ++rank) hosts.emplace_back(all.data() + rank * host_bytes);
  return hosts;
}

void exit_now(int) { ::_exit(EXIT_SUCCESS); }

}  // namespace

MpiJob::MpiJob(int& argc, char**& argv) {
  int provided = MPI_THREAD_SINGLE;
  mpi_check(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_FUNNELED)
    throw std::runtime_error("this MPI library offers no MPI_THREAD_FUNNELED");
  mpi_check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  int rank = 0;
  int size = 1;
  mpi_check(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank");
  mpi_check(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
  rank_ = static_cast<std::uint32_t>(rank);
  size_ = static_cast<std::uint32_t>(size);
  hosts_ = gather_hosts(size_);
}

bool MpiJob::all(bool mine) const {
  const int in = mine ? 1 : 0;
  int out = 0;
  mpi_check(MPI_Allreduce(&in, &out, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD), "MPI_Allreduce");
  return out != 0;
}

void MpiJob::leave(int status, std::chrono::seconds patience) const {
  MPI_Request barrier = MPI_REQUEST_NULL;
  int done = MPI_Ibarrier(MPI_COMM_WORLD, &barrier) == MPI_SUCCESS ? 0 : 1;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (done == 0 && std::chrono::steady_clock::now() < deadline) {
    if (MPI_Test(&barrier, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) break;
    if (done == 0) std::this_thread::sleep_for(std::chrono::microseconds{200});
  }
  if (done == 0) ::_exit(status);  // somebody is gone already: finalizing would wait for it
  // What comes after the barrier is the library's own clean-up; that it hangs is no failure of the job.
  std::signal(SIGALRM, exit_now);
  ::alarm(static_cast<unsigned>(patience.count()));
  MPI_Finalize();
  ::_exit(status);
}

void MpiJob::abort(int status) const {
  MPI_Abort(MPI_COMM_WORLD, status);
  ::_exit(status);
}

std::string MpiJob::library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  return std::string_view(text.data()).find("Open MPI") == std::string_view::npos ? "mpich" : "openmpi";
}

}  // namespace copper
