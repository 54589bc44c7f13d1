// See job.h.
#include "service/mpi/job.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#include "service/mpi/api.h"
#include "service/mpi/machine_order.h"
#include "service/refusal.h"

namespace copper {
namespace {

constexpr std::size_t host_bytes = HOST_NAME_MAX + 1;
constexpr std::size_t groups_bytes_max = std::size_t{64} << 20;

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

// The file's text on every rank; nothing on each but the reader, which knows why, where it could not be used.
constexpr int reader = 0;
constexpr std::int64_t unreadable = -1;

std::optional<std::string> share(std::optional<std::string> text) {
  std::int64_t bytes = text ? static_cast<std::int64_t>(text->size()) : unreadable;
  mpi_check(MPI_Bcast(&bytes, 1, MPI_INT64_T, reader, MPI_COMM_WORLD), "MPI_Bcast");
  if (bytes == unreadable) return std::nullopt;
  auto shared = text.value_or("");
  shared.resize(static_cast<std::size_t>(bytes));
  mpi_check(MPI_Bcast(shared.data(), static_cast<int>(bytes), MPI_CHAR, reader, MPI_COMM_WORLD), "MPI_Bcast");
  return shared;
}

std::string read_groups(const std::filesystem::path& file) {
  std::error_code missing;
  std::ifstream in(file);
  if (!std::filesystem::is_regular_file(file, missing) || !in)
    throw Refusal("cannot read the groups in " + file.string());
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (text.size() > groups_bytes_max) throw Refusal(file.string() + " is too long for a list of groups");
  HostGroups(text, file.string());  // is it one?
  return text;
}

void exit_now(int) { ::_exit(EXIT_SUCCESS); }

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
  order_by(machine_order(hosts_, HostGroups{}));
}

MpiJob::~MpiJob() = default;

void MpiJob::group_hosts(const std::filesystem::path& file) {
  std::optional<std::string> text;
  std::optional<Refusal> refusal;
  int world_rank = 0;
  mpi_check(MPI_Comm_rank(MPI_COMM_WORLD, &world_rank), "MPI_Comm_rank");
  if (world_rank == reader) {
    try {
      text = read_groups(file);
    } catch (const Refusal& why) {
      refusal = why;
    }
  }
  text = share(std::move(text));
  if (refusal) throw *refusal;
  if (text) order_by(machine_order(hosts_, HostGroups(*text, file.string())));
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
