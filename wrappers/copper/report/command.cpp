#include "wrappers/copper/report/command.h"

#include <filesystem>
#include <fstream>
#include <iostream>

#include "wrappers/copper/refused.h"
#include "wrappers/copper/report/page.h"

namespace copper {

CLI::App* add_report(CLI::App& app, ReportOptions& options) {
  auto* verb = app.add_subcommand("report", "What a job did, as one HTML page");
  verb->add_option("JOBDIR", options.job_directory, "The job's directory, <log_dir_base>/<jobid>")
      ->required();
  verb->add_option("-o,--output", options.output, "The page (default JOBDIR/report.html)");
  return verb;
}

int report(const ReportOptions& options) {
  const auto page = report_page(read_profile(options.job_directory));
  const auto path = options.output.empty()
                        ? (std::filesystem::path(options.job_directory) / "report.html").string()
                        : options.output;
  std::ofstream file(path, std::ios::binary);
  if (!file) throw Refused(path + ": cannot be written");
  file << page << std::flush;
  if (!file) {
    std::cerr << "copper: " << path << ": cannot be written whole\n";
    return 1;
  }
  std::cout << "copper: the report is " << path << '\n';
  return 0;
}

}  // namespace copper
