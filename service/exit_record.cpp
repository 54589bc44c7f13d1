// See exit_record.h.
#include "service/exit_record.h"

#include <fstream>
#include <stdexcept>

namespace copper {

void write_exit_record(const std::filesystem::path& directory, std::uint32_t restarts,
                       const std::string& host, const std::vector<std::string>& silent) {
  const auto name = "exit_record." + std::to_string(restarts) + "." + host;
  const auto path = directory / name;
  const auto unfinished = directory / ("new_" + name);
  std::ofstream file(unfinished);
  for (const auto& lost : silent) file << "silent " << lost << '\n';
  file.close();
  std::error_code failed;
  if (file) std::filesystem::rename(unfinished, path, failed);
  if (!file || failed) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace copper
