#pragma once

#include <span>

#include "graph/dot.hpp"

namespace allgrad {

/// The loop that computes each value per row, and the sums over rows that it is for: one for each table and number of
/// collectives that come before; of those that need a value, the first.
RowLoops row_loops_of(std::span<const Expr> outputs);

}  // namespace allgrad
