// See job.h.
#include "service/mpi/job.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <numeric>
#include <thread>

#include "service/mpi/api.h"
#include "service/mpi/machine_order.h"

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

constexpr int first_rank = 0;
constexpr std::int64_t no_text = -1;
constexpr std::chrono::seconds abort_patience{2};

volatile std::sig_atomic_t status_at_exit = 0;
void exit_now(int) { ::_exit(status_at_exit); }

}  // namespace

MpiJob::MpiJob(int& argc, char**& argv) : ranks_(std::make_unique<MpiRanks>()) {
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
  ranks_->communicator = MPI_COMM_WORLD;
  order_by(machine_order(hosts_, {}));
}

MpiJob::~MpiJob() = default;

void MpiJob::group_hosts(const std::vector<std::string>& groups) { order_by(machine_order(hosts_, groups)); }

std::optional<std::string> MpiJob::share(std::optional<std::string> text) const {
  std::int64_t bytes = text ? static_cast<std::int64_t>(text->size()) : no_text;
  mpi_check(MPI_Bcast(&bytes, 1, MPI_INT64_T, first_rank, ranks_->communicator), "MPI_Bcast");
  if (bytes == no_text) return std::nullopt;
  auto shared = text.value_or("");
  shared.resize(static_cast<std::size_t>(bytes));
  mpi_check(MPI_Bcast(shared.data(), static_cast<int>(bytes), MPI_CHAR, first_rank, ranks_->communicator),
            "MPI_Bcast");
  return shared;
}

std::vector<std::string> MpiJob::gather(const std::string& mine) const {
  const int bytes = static_cast<int>(mine.size());
  std::vector<int> sizes(rank_ == 0 ? size_ : 0);
  mpi_check(MPI_Gather(&bytes, 1, MPI_INT, sizes.data(), 1, MPI_INT, first_rank, ranks_->communicator),
            "MPI_Gather");
  std::vector<int> offsets(sizes.size());
  std::exclusive_scan(sizes.begin(), sizes.end(), offsets.begin(), 0);
  std::string all(sizes.empty() ? 0 : static_cast<std::size_t>(offsets.back() + sizes.back()), '\0');
  mpi_check(MPI_Gatherv(mine.data(), bytes, MPI_CHAR, all.data(), sizes.data(), offsets.data(), MPI_CHAR,
                        first_rank, ranks_->communicator),
            "MPI_Gatherv");
  std::vector<std::string> texts;
  for (std::size_t rank = 0; rank < sizes.size(); ++rank)
    texts.push_back(
        all.substr(static_cast<std::size_t>(offsets[rank]), static_cast<std::size_t>(sizes[rank])));
  return texts;
}

// Element n of the order is the rank, up to now, that is rank n from now on.
void MpiJob::order_by(const std::vector<std::uint32_t>& order) {
  std::vector<std::string> hosts;
  for (const auto former : order) hosts.push_back(hosts_[former]);
  const auto place = std::ranges::find(order, rank_) - order.begin();
  MPI_Comm ordered = MPI_COMM_NULL;
  mpi_check(MPI_Comm_split(ranks_->communicator, 0, static_cast<int>(place), &ordered), "MPI_Comm_split");
  if (ranks_->communicator != MPI_COMM_WORLD) MPI_Comm_free(&ranks_->communicator);
  ranks_->communicator = ordered;
  rank_ = static_cast<std::uint32_t>(place);
  hosts_ = std::move(hosts);
}

bool MpiJob::all(bool mine) const {
  const int in = mine ? 1 : 0;
  int out = 0;
  mpi_check(MPI_Allreduce(&in, &out, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD), "MPI_Allreduce");
  return out != 0;
}

bool MpiJob::meet(std::chrono::seconds patience, const std::function<void()>& meanwhile) const {
  MPI_Request barrier = MPI_REQUEST_NULL;
  if (MPI_Ibarrier(MPI_COMM_WORLD, &barrier) != MPI_SUCCESS) return false;
  int done = 0;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (MPI_Test(&barrier, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done == 0) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    meanwhile();
    std::this_thread::sleep_for(std::chrono::microseconds{200});
  }
  return done != 0;
}

void MpiJob::leave(int status, std::chrono::seconds patience) const {
  if (!meet(patience, [] {})) ::_exit(status);  // somebody is gone already: finalizing would wait for it
  // What comes after the barrier is the library's own clean-up; that it hangs is no failure of the job.
  status_at_exit = status;
  std::signal(SIGALRM, exit_now);
  ::alarm(static_cast<unsigned>(patience.count()));
  MPI_Finalize();
  ::_exit(status);
}

void MpiJob::abort(int status) const {
  std::signal(SIGALRM, SIG_DFL);  // the library may wait in it for ranks that are gone
  ::alarm(static_cast<unsigned>(abort_patience.count()));
  MPI_Abort(MPI_COMM_WORLD, status);
  ::_exit(status);
}

std::string MpiJob::library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  return std::string_view(text.data()).find("Open MPI") == std::string_view::npos ? "mpich" : "openmpi";
}

std::string MpiJob::processor() {
  std::array<char, MPI_MAX_PROCESSOR_NAME> text{};
  int length = 0;
  mpi_check(MPI_Get_processor_name(text.data(), &length), "MPI_Get_processor_name");
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace copper
