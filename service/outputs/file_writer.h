// Writes files on a thread of its own, so that a parallel file system that stalls holds up nobody else. What
// is to be written is a function, so that its text is made on that thread too. In order; each file appears
// whole, under its name, or not at all.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace copper {

struct OutputFile {
  std::filesystem::path path;  // directories above it are made
  std::string text;
};
using OutputFiles = std::vector<OutputFile>;

class FileWriter {
 public:
  // `complain` is called on the writer's thread, once for each file that could not be written.
  explicit FileWriter(std::function<void(const std::string&)> complain);
  // Drops what has not begun; waits for nothing.
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;

  void write(std::function<OutputFiles()> files);
  bool idle() const;  // all is written

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace copper
