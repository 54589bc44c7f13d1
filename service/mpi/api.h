// The one place that includes <mpi.h>, and the little that every call of it needs.
#pragma once

#define MPICH_SKIP_MPICXX 1
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <stdexcept>
#include <string>

namespace copper {

// For calls whose failure ends the rank.
inline void mpi_check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw std::runtime_error(std::string(call) + ": " + std::string(text, static_cast<std::size_t>(length)));
}

// The job's ranks in their order, as MPI knows them: see MpiJob.
struct MpiRanks {
  MPI_Comm communicator = MPI_COMM_NULL;

  // The same ranks, apart from all other messages. Collective.
  MPI_Comm duplicate() const {
    MPI_Comm copy = MPI_COMM_NULL;
    mpi_check(MPI_Comm_dup(communicator, &copy), "MPI_Comm_dup");
    mpi_check(MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    return copy;
  }
};

}  // namespace copper
