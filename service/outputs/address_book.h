// The job's two address books, logs/copper_address_book.txt (`host endpoint` by rank) and
// copper_address_book_full_output.txt (all that was seen of each host): gathered at rank 0, which writes
// them. MPI finds its peers by itself; the books are for the order of ranks, for checks and as a record.
// Start-up only; collective.
#pragma once

#include <spdlog/logger.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "service/mpi/job.h"
#include "service/outputs/facility_book.h"

namespace copper {

enum class AddressMode { facility, discover };

struct AddressOptions {
  AddressMode mode = AddressMode::facility;  // -a; without a book: discover
  std::filesystem::path book;                // -F; empty: none
  std::string net_type = "auto";             // -n
};

// The entries of the job's hosts in the facility's book, by rank, after the ranks have been ordered by its
// groups; nothing where no book is given. Rank 0 reads the file, and alone throws Refusal where it cannot be
// used or lacks a host.
std::optional<std::vector<FacilityBook::Entry>> consult_book(const AddressOptions& options, MpiJob& job);

// Gathers what the ranks see and writes both books at rank 0, where `logs` is not empty. Throws Refusal there
// where they cannot be written. `log`: how the addresses were found, and which hosts have no such device.
void write_address_books(const AddressOptions& options, const MpiJob& job,
                         const std::optional<std::vector<FacilityBook::Entry>>& entries,
                         const std::filesystem::path& logs, spdlog::logger& log);

}  // namespace copper
