// See csv.h.
#include "wrappers/copper/report/csv.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "wrappers/copper/refused.h"

namespace copper {

CsvTable::CsvTable(std::string name, std::string_view text, std::vector<std::string> columns,
                   std::size_t rows_max)
    : name_(std::move(name)), columns_(std::move(columns)) {
  std::size_t line = 1;
  Row header;
  if (!take_row(text, line, header)) refuse(1, "there is no header");
  for (const auto& column : columns_) {
    const auto found = std::find(header.fields.begin(), header.fields.end(), column);
    if (found == header.fields.end()) refuse(1, fmt::format("there is no column {}", column));
    places_.push_back(static_cast<std::size_t>(found - header.fields.begin()));
  }
  for (Row row; rows_.size() < rows_max && take_row(text, line, row);) {
    if (row.fields.size() != header.fields.size())
      refuse(row.line, fmt::format("{} fields, not {}", row.fields.size(), header.fields.size()));
    rows_.push_back(std::move(row));
  }
}

const std::string& CsvTable::text(std::size_t row, std::size_t column) const {
  return rows_.at(row).fields.at(places_.at(column));
}

std::uint64_t CsvTable::number(std::size_t row, std::size_t column) const {
  const auto& field = text(row, column);
  const char* end = field.data() + field.size();
  std::uint64_t value = 0;
  const auto [stop, error] = std::from_chars(field.data(), end, value);
  if (error != std::errc{} || stop != end)
    refuse(rows_[row].line, fmt::format("{} is no number", columns_[column]));
  return value;
}

void CsvTable::refuse(std::size_t line, std::string_view what) const {
  throw Refused(fmt::format("{}: line {}: {}", name_, line, what));
}

bool CsvTable::take_row(std::string_view& text, std::size_t& line, Row& row) const {
  if (text.empty()) return false;
  row = Row{line, {""}};
  bool quoted = false;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    auto& field = row.fields.back();
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"') {
        field += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        field += text[++i];
      } else {
        quoted = false;
        const bool ends =
            i + 1 == text.size() || text[i + 1] == ',' || text[i + 1] == '\n' || text[i + 1] == '\r';
        if (!ends) refuse(row.line, "text behind a closing quote");
      }
    } else if (c == '"' && field.empty()) {
      quoted = true;
    } else if (c == ',') {
      row.fields.emplace_back();
    } else if (c == '\n') {
      break;
    } else if (c != '\r') {
      field += c;
    }
  }
  if (quoted) refuse(row.line, "a quote is not closed");
  if (i == text.size()) refuse(row.line, "it is cut short");
  text.remove_prefix(i + 1);
  return true;
}

}  // namespace copper
