#pragma once

#include <vector>

#include "allgrad/table.hpp"

namespace allgrad {

/// What the ranks agree on of the columns of a table: an axis with its lengths, and which columns are finite.
struct Table::Checked {
  RowAxis rows;
  std::vector<bool> finite;
};

}  // namespace allgrad
