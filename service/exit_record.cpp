// See exit_record.h.
#include "service/exit_record.h"

#include <fstream>
#include <future>
#include <thread>
#include <utility>

namespace copper {

bool write_exit_record(const std::filesystem::path& directory, std::uint32_t restarts,
                       const std::string& host, const std::vector<std::string>& silent,
                       std::chrono::milliseconds patience) {
  const auto name = "exit_record." + std::to_string(restarts) + "." + host;
  std::promise<bool> written;
  auto there = written.get_future();
  std::thread writer([path = directory / name, unfinished = directory / ("new_" + name), silent,
                      written = std::move(written)]() mutable {
    std::ofstream file(unfinished);
    for (const auto& lost : silent) file << "silent " << lost << '\n';
    file.close();
    if (!file) std::ofstream{unfinished};  // half a name is another one's
    std::error_code failed;
    std::filesystem::rename(unfinished, path, failed);
    written.set_value(!failed);
  });
  writer.detach();
  return there.wait_for(patience) == std::future_status::ready && there.get();
}

}  // namespace copper
