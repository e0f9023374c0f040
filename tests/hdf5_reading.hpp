#pragma once

// Reading HDF5 files as one rank of several does.

#include <cstdint>
#include <string>
#include <vector>

#include "allgrad/allgrad.hpp"
#include "catch.hpp"
#include "check_error.hpp"
#include "hdf5_test_file.hpp"
#include "io/row_reader.hpp"

namespace allgrad::testing {

struct ReadColumn {
  std::string name;
  std::vector<std::size_t> lanes;
  std::string unit;
  std::vector<double> values;
};

/// What one rank of `size` reads.
struct ReadRows {
  std::uint64_t total_rows = 0, first_row = 0;
  std::vector<ReadColumn> columns = {};
  std::vector<std::string> left_out = {};
};

inline ReadRows read_columns(const std::string& file, const ReadOptions& options, int rank = 0, int size = 1,
                             allgrad::SourceLocation where = {}) {
  const auto reader = allgrad::open_hdf5_rows(file, options, where);
  const allgrad::RowShare share = allgrad::share_of_rows(reader->total_rows(), rank, size);
  ReadRows rows{reader->total_rows(), share.first, {}, reader->left_out()};
  const auto values = reader->read(share.first, share.count());
  for (std::size_t i = 0; i < values.size(); ++i) {
    rows.columns.push_back(
        {reader->columns()[i].name, reader->columns()[i].lanes, reader->columns()[i].unit, values[i]});
  }
  return rows;
}

/// Checks that `read` throws a DataError whose message has all the parts.
template <class F>
void check_refused(F read, const std::vector<std::string>& parts) {
  std::string message;
  try {
    read();
  } catch (const allgrad::DataError& error) {
    message = error.what();
  }
  REQUIRE_FALSE(message.empty());
  check_parts(message, parts);
}

}  // namespace allgrad::testing
