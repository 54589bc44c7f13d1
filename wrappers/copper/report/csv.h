// Text of RFC 4180 with a header row, as the service and aggregate_profiling.py write it: each row ends with
// a line break, so that a file cut short is seen. Pure; believes nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace copper {

class CsvTable {
 public:
  // `name` is for what is said of the text when it is wrong: Refused, with the number of the line. The header
  // must have all `columns`; it may have more, in any order. Rows after the first `rows_max` are not looked
  // at.
  CsvTable(std::string name, std::string_view text, std::vector<std::string> columns,
           std::size_t rows_max = SIZE_MAX);

  std::size_t rows() const { return rows_.size(); }
  // column: place in the `columns` of the constructor.
  const std::string& text(std::size_t row, std::size_t column) const;
  std::uint64_t number(std::size_t row, std::size_t column) const;  // Refused where it is none

 private:
  struct Row {
    std::size_t line = 0;
    std::vector<std::string> fields;
  };
  [[noreturn]] void refuse(std::size_t line, std::string_view what) const;
  // The row that text begins with, taken off it; false at the end of the text.
  bool take_row(std::string_view& text, std::size_t& line, Row& row) const;

  std::string name_;
  std::vector<std::string> columns_;
  std::vector<std::size_t> places_;  // of the columns, in a row
  std::vector<Row> rows_;
};

}  // namespace copper
