#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <xtensor/xcsv.hpp>

/// A table of numbers: comments that start with '#', a line with the names of the columns, then the numbers.
struct Csv {
  std::string comments;           // without their '#', joined by spaces
  xt::xtensor<double, 2> values;  // [rows, columns]
};

/// Reads a table whose line of names is `header`. Throws std::runtime_error where the file is missing or is no such
/// table.
inline Csv read_csv(const std::string& path, const std::string& header) {
  std::ifstream stream(path);
  if (!stream) {
    throw std::runtime_error(fmt::format("expected a table with the columns {} in '{}': {}; check the path", header,
                                         path, std::generic_category().message(errno)));
  }
  Csv csv;
  std::string line;
  while (std::getline(stream, line) && line.starts_with('#')) {
    csv.comments +=
        (csv.comments.empty() ? "" : " ") + line.substr(std::min(line.find_first_not_of("# "), line.size()));
  }
  if (line != header) {
    throw std::runtime_error(fmt::format(
        "expected the columns {} in '{}', but the first line after its comments is '{}'", header, path, line));
  }
  try {
    csv.values = xt::load_csv<double>(stream);
  } catch (const std::exception& error) {
    throw std::runtime_error(fmt::format("expected rows of numbers under {} in '{}', but one is something else ({})",
                                         header, path, error.what()));
  }
  const auto num_columns = 1 + static_cast<std::size_t>(std::count(header.begin(), header.end(), ','));
  if (csv.values.shape(1) != num_columns) {
    throw std::runtime_error(fmt::format("expected rows of {} numbers under {} in '{}', but they have {}", num_columns,
                                         header, path, csv.values.shape(1)));
  }
  return csv;
}
