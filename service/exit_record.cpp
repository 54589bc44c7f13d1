// See exit_record.h.
#include "service/exit_record.h"

#include <fstream>
#include <system_error>
#include <thread>
#include <utility>

namespace copper {
namespace {

bool write(const std::filesystem::path& path, const std::filesystem::path& unfinished,
           const std::vector<std::string>& silent) {
  std::ofstream file(unfinished);
  for (const auto& lost : silent) file << "silent " << lost << '\n';
  file.close();
  if (!file) std::ofstream{unfinished};  // half a name is another one's
  std::error_code failed;
  std::filesystem::rename(unfinished, path, failed);
  return !failed;
}

}  // namespace

std::future<bool> write_exit_record(const std::filesystem::path& directory, std::uint32_t restarts,
                                    const std::string& host, std::vector<std::string> silent) {
  const auto name = "exit_record." + std::to_string(restarts) + "." + host;
  std::packaged_task<bool()> task([path = directory / name, unfinished = directory / ("new_" + name),
                                   silent = std::move(silent)] { return write(path, unfinished, silent); });
  auto written = task.get_future();
  try {
    std::thread(std::move(task)).detach();
  } catch (const std::system_error&) {
    std::promise<bool> none;
    none.set_value(false);
    return none.get_future();
  }
  return written;
}

}  // namespace copper
