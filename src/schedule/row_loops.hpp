#pragma once

#include <vector>

#include "graph/dot.hpp"

namespace allgrad {

/// The row loops of the schedule of a graph, to draw: a value per row stands in the first of those that compute it.
RowLoops row_loops_of(const std::vector<Expr>& outputs);

}  // namespace allgrad
