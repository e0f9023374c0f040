#pragma once

#include <string>
#include <vector>

namespace allgrad {

/// What `Table::read` reads of a file.
struct ReadOptions {
  std::string group = {};  ///< of an HDF5 file, with its path: the group whose datasets are the columns, or a
                           ///< dataset of records [rows] whose members are; where empty, the root group, or the
                           ///< only dataset of records where the root group has no other columns
  std::string hdu = {};    ///< of a FITS file: the table, by its EXTNAME or its number, of which the primary HDU has
                           ///< 0; where empty, the first
  std::vector<std::string> columns = {};          ///< names of columns, which may have several numbers in a row, of
                                                  ///< datasets with the groups in `group`; where empty, all
                                                  ///< datasets of shape [rows], or all members that are numbers
  std::vector<std::string> may_be_nan = {};       ///< those that may hold NaN
  std::vector<std::string> may_be_infinite = {};  ///< those that may hold inf or -inf
};

}  // namespace allgrad
