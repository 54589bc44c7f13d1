// Requests under way, each with a record of what it is for; MPI_Testsome over all of them. One thread. For
// the .cpp files that speak MPI.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "service/mpi/api.h"

namespace copper {

// What became of a request. `failed`: a message longer than its room, or a peer that is gone.
struct MpiDone {
  MPI_Status status{};
  bool failed = false;

  std::size_t bytes() const {
    int count = 0;
    MPI_Get_count(&status, MPI_BYTE, &count);
    return failed || count == MPI_UNDEFINED ? 0 : static_cast<std::size_t>(count);
  }
};

// Which of `requests` are complete, with their index, in ascending order. `done` has been cleared.
class MpiTestsome {
 public:
  using Done = std::vector<std::pair<std::size_t, MpiDone>>;

  const Done& operator()(std::vector<MPI_Request>& requests) {
    done_.clear();
    if (requests.empty()) return done_;
    indices_.resize(requests.size());
    statuses_.resize(requests.size());
    int count = 0;
    const int code = MPI_Testsome(static_cast<int>(requests.size()), requests.data(), &count, indices_.data(),
                                  statuses_.data());
    if (code != MPI_ERR_IN_STATUS) mpi_check(code, "MPI_Testsome");
    if (count == MPI_UNDEFINED) return done_;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const bool failed = code == MPI_ERR_IN_STATUS && statuses_[i].MPI_ERROR != MPI_SUCCESS;
      done_.push_back({static_cast<std::size_t>(indices_[i]), {statuses_[i], failed}});
    }
    std::ranges::sort(done_, {}, &Done::value_type::first);
    return done_;
  }

 private:
  std::vector<int> indices_;
  std::vector<MPI_Status> statuses_;
  Done done_;
};

template <class Record>
class MpiRequests {
 public:
  void add(MPI_Request request, Record record) {
    requests_.push_back(request);
    records_.push_back(std::move(record));
  }

  // Calls each(record, done) for what is complete; that may add requests. True where anything was.
  template <class Each>
  bool take(Each each) {
    const auto& done = testsome_(requests_);
    if (done.empty()) return false;
    taken_.clear();
    for (const auto& [index, what] : done) taken_.emplace_back(std::move(records_[index]), what);
    for (auto last = done.rbegin(); last != done.rend(); ++last) {
      requests_[last->first] = requests_.back();
      requests_.pop_back();
      if (last->first != records_.size() - 1) records_[last->first] = std::move(records_.back());
      records_.pop_back();
    }
    for (auto& [record, what] : taken_) each(record, what);
    return true;
  }

  bool empty() const { return requests_.empty(); }

 private:
  std::vector<MPI_Request> requests_;
  std::vector<Record> records_;
  std::vector<std::pair<Record, MpiDone>> taken_;
  MpiTestsome testsome_;
};

}  // namespace copper
