#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "allgrad/table.hpp"

namespace allgrad {

/// What the ranks agree on of the columns of a table: an axis with its lengths, and which columns are finite.
struct Table::Checked {
  RowAxis rows;
  std::vector<bool> finite;
};

/// What a column may hold beside finite numbers.
struct Allowed {
  bool nan = false, infinite = false;
};

/// Throws DataError, which names the table, the column and the row, where numbers of a column, one for each row from
/// `first_row` on, are not finite and may not be so.
void check_numbers(const std::string& table, const std::string& column, std::span<const double> values,
                   const Allowed& allowed, std::uint64_t first_row, SourceLocation where);

}  // namespace allgrad
