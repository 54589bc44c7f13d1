// Who owns a segment: open-file-description locks on single bytes of its file. Such a lock lives as long as
// the descriptor it was taken through, in every process that inherited it, and ends with the last of them.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace copper {

enum class LockByte : off_t { service = 0, front_end = 1 };

// False where another open file holds it.
bool try_lock(int file, LockByte byte);
// Does another open file hold it?
bool is_locked(int file, LockByte byte);

// Takes the service's lock. While a former copper_service of this user holds it (the process `owner_pid`
// names): asks it to end with SIGTERM, and with SIGKILL after half of the time. No other process is ever
// signalled. False where the lock was not had by `deadline`.
bool take_service_lock(int file, const std::atomic<std::uint32_t>& owner_pid,
                       std::chrono::steady_clock::time_point deadline);

}  // namespace copper
