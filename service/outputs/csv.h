// Fields of CSV files (RFC 4180), which are UTF-8: a byte that belongs to no character is written as \xNN.
#pragma once

#include <string>
#include <string_view>

namespace copper {

std::string as_utf8(std::string_view bytes);
// Quoted where it must be.
std::string csv_field(std::string_view bytes);

}  // namespace copper
