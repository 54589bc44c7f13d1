// A directory of one test: private to this user, gone with the test.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace copper {

class Scratch {
 public:
  // Segments belong in shared memory; what is read through the storage reader must not lie in a local tree.
  static constexpr const char* shared_memory = "/dev/shm";
  static constexpr const char* disk = "/tmp";

  explicit Scratch(const char* where = shared_memory) {
    std::string name = where + std::string("/copper-test-XXXXXX");
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch directory: " + name);
    path_ = name;
  }
  Scratch(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  std::string at(std::string_view name) const { return (path_ / name).native(); }

  std::string write(std::string_view name, std::string_view text) const {
    std::ofstream(path_ / name, std::ios::binary | std::ios::trunc) << text;
    return at(name);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace copper
