// See address_book.h.
#include "service/outputs/address_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "service/outputs/discovery.h"
#include "service/refusal.h"

namespace copper {
namespace {

constexpr std::size_t book_bytes_max = std::size_t{64} << 20;
constexpr std::string_view no_endpoint = "-";

std::string read_book(const std::filesystem::path& file) {
  std::error_code missing;
  std::ifstream in(file);
  if (!std::filesystem::is_regular_file(file, missing) || !in)
    throw Refusal("cannot read the address book " + file.string());
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (text.size() > book_bytes_max) throw Refusal(file.string() + " is too long for an address book");
  return text;
}

void write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  if (!(out << text << std::flush)) throw Refusal("cannot write the address book " + file.string());
}

// "host endpoint", then the rows of the full output.
struct Seen {
  std::string line;
  std::string rows;
};
Seen split(const std::string& text) {
  const auto end = std::min(text.find('\n'), text.size() - 1) + 1;
  return {text.substr(0, end), text.substr(end)};
}

}  // namespace

std::optional<std::vector<FacilityBook::Entry>> consult_book(const AddressOptions& options, MpiJob& job) {
  if (options.book.empty()) return std::nullopt;
  std::optional<std::string> text;
  std::optional<Refusal> refusal;
  if (job.rank() == 0) {
    try {
      text = read_book(options.book);
      FacilityBook(*text, options.book.string()).of(job.hosts());
    } catch (const Refusal& why) {
      refusal = why;
      text.reset();
    }
  }
  text = job.share(std::move(text));
  if (refusal) throw *refusal;
  if (!text) return std::nullopt;
  const FacilityBook book(*text, options.book.string());
  std::vector<std::string> groups;
  for (const auto& entry : book.of(job.hosts())) groups.push_back(entry.group);
  job.group_hosts(groups);
  return book.of(job.hosts());
}

void write_address_books(const AddressOptions& options, const MpiJob& job,
                         const std::optional<std::vector<FacilityBook::Entry>>& entries,
                         const std::filesystem::path& logs, spdlog::logger& log) {
  const auto host = see_host("/", job.hosts()[job.rank()], MpiJob::processor(), interface_addresses());
  const auto address = entries ? (*entries)[job.rank()].endpoint
                               : endpoint(host, options.net_type).value_or(std::string(no_endpoint));
  const auto texts = job.gather(host.name + " " + address + "\n" + full_rows(host, job.rank()));
  if (job.rank() != 0) return;

  if (entries)
    log.info("the addresses are those of {}", options.book.string());
  else if (options.mode == AddressMode::facility)
    log.info("no facility address book is given: the hosts were asked for their addresses (discover)");
  std::string book;
  std::string full = full_header();
  std::vector<std::string> without;
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    const auto seen = split(texts[rank]);
    book += seen.line;
    full += seen.rows;
    if (seen.line.ends_with(fmt::format(" {}\n", no_endpoint))) without.push_back(job.hosts()[rank]);
  }
  if (!without.empty()) {
    const auto text = fmt::format("{} of {} hosts show no network of type {}: {}", without.size(),
                                  texts.size(), options.net_type, hosts_text(without));
    log.warn("{}", text);
    fmt::print("copper: note: {}\n", text);  // launch shows it
    std::fflush(stdout);
  }
  if (logs.empty()) return;
  write(logs / "copper_address_book.txt", book);
  write(logs / "copper_address_book_full_output.txt", full);
}

}  // namespace copper
