#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "allgrad/name.hpp"

namespace allgrad {

namespace detail {
struct RowBlock;
}

/// One row of a file, which ReadOptions::where keeps or not.
class Row {
 public:
  /// The number in the column `name`; NaN where it is missing. Throws DataError where the column is not among those
  /// that are read, or has several numbers in a row.
  double operator[](const Name& name) const { return number(name, 0, true); }

  /// Number `lane` of a column with several, in row-major order, from 0 on. Throws DataError where it has not so many.
  double operator()(const Name& name, std::size_t lane) const { return number(name, lane, false); }

 private:
  friend struct detail::RowBlock;
  Row(const detail::RowBlock& block, std::size_t index) : block_(&block), index_(index) {}
  double number(const Name& name, std::size_t lane, bool is_only) const;

  const detail::RowBlock* block_;
  std::size_t index_;
};

/// What `Table::read` reads of a file.
struct ReadOptions {
  /// Of an HDF5 file, with its path: the group whose datasets are the columns, or a dataset of records [rows] whose
  /// members are. Where empty, the root group, or its only dataset of records where it has no other columns.
  std::string group = {};

  /// Of a FITS file: the table, by its EXTNAME or its number, of which the primary HDU has 0. Where empty, the first.
  std::string hdu = {};

  /// Names of columns, in the order that the table has them in; in HDF5 with their groups in `group`. Where empty, all
  /// that hold numbers or booleans; of an HDF5 group all datasets of shape [rows].
  std::vector<std::string> columns = {};

  /// Keeps the rows for which it is true, as `[](const ag::Row& row) { return row["mass"] > 1e12; }`; the others take
  /// no memory. It sees the columns that are read. Called on each rank for its share of the file's rows, in their
  /// order; what it throws on one rank is raised on all. Empty keeps all.
  std::function<bool(const Row& row)> where = {};

  std::vector<std::string> may_be_nan = {};       ///< columns that may hold NaN, or have missing values, which are NaN
  std::vector<std::string> may_be_infinite = {};  ///< columns that may hold inf or -inf

  /// Where not 0: of how many rows of this rank a block is, at least 1024, where less is taken for that. Two blocks are
  /// in memory, of the columns that a graph uses. All else stays in the file, HDF5 or FITS that is not compressed, and
  /// each sweep over the rows reads them anew, in a thread of the library: while a graph is evaluated, no other thread
  /// may call HDF5 or CFITSIO. Not together with `where`.
  std::size_t stream = 0;
};

}  // namespace allgrad
