#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "allgrad/communicator.hpp"

namespace allgrad {

/// The rows of one table, as an axis. The number of rows is not part of a graph: two row axes are the same when they
/// belong to the same table, whatever their lengths, and Table::assign changes these.
struct RowAxis {
  std::string table;                         ///< what messages call the table
  Communicator comm;                         ///< over whose ranks the rows are spread
  std::size_t local_rows = 0;                ///< rows of this rank
  std::size_t first_row = 0;                 ///< global number of this rank's first row
  std::size_t total_rows = 0;                ///< rows of all ranks
  double count = 0.0;                        ///< total_rows, as graphs read it
  std::uint64_t generation = 0;              ///< how often other rows were assigned
  std::vector<std::size_t> first_rows = {};  ///< of each rank
};

/// The length of an axis: a number, or the rows of a table.
struct Extent {
  std::size_t length = 0;
  std::shared_ptr<const RowAxis> rows;

  Extent(std::size_t n) : length(n) {}
  Extent(std::shared_ptr<const RowAxis> axis) : rows(std::move(axis)) {}

  bool is_rows() const { return rows != nullptr; }
  friend bool operator==(const Extent&, const Extent&) = default;
};

/// The axes of a value, as in xtensor; at most one of them is a row axis.
using Shape = std::vector<Extent>;

/// "[rows, 11]"; the row axis of a table is written as `rows`.
std::string to_string(const Shape& shape);

}  // namespace allgrad
