#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "allgrad/hdf5.hpp"
#include "allgrad/source_location.hpp"
#include "io/file_stamp.hpp"

namespace allgrad {

struct Hdf5Column {
  std::string name;
  std::vector<std::size_t> shape;  ///< [rows] or [rows, ..], of this rank's rows
  std::vector<double> values;      ///< in row-major order
};

/// This rank's rows of each column, from `first_row` on, out of `total_rows` in the file.
struct Hdf5Rows {
  std::vector<Hdf5Column> columns;
  std::uint64_t total_rows = 0;
  std::uint64_t first_row = 0;
  FileStamp stamp;
  std::vector<std::string> left_out = {};  // where no names are given: datasets that are no columns, and why
};

/// Reads this rank's share of the rows of the named datasets, in the order of `names`; where that is empty, of all
/// numeric 1-D datasets of the root group, in the order of their names. Rows are dealt out as share_of_rows does.
/// Integers of up to 64 bits, floats of up to 128 and booleans become double. Not collective. Throws DataError where
/// the file or a dataset is missing or is no such thing, the datasets differ in length or are not written in full, the
/// rows do not fit into memory, an integer is none that double can hold, or the file changes while it is read.
Hdf5Rows read_hdf5_columns(const std::string& file, const std::vector<std::string>& names, int rank, int size,
                           SourceLocation where = {});

}  // namespace allgrad
