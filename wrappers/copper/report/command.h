// `copper report`: what a job did, as one HTML page. Needs no mount: only the job's directory.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace copper {

struct ReportOptions {
  std::string job_directory;
  std::string output;  // empty: report.html in the job's directory
};

// The subcommand with its options, which are parsed into `options`.
CLI::App* add_report(CLI::App& app, ReportOptions& options);

// The exit status. Prints where the page is. Throws Refused where a file is missing, damaged or cannot be
// written.
int report(const ReportOptions& options);

}  // namespace copper
