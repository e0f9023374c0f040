#pragma once

#include <functional>
#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Computes values that are not per row, at least in the graph's own rank.
using Evaluate = std::function<std::vector<Array>(const std::vector<Expr>&)>;

/// Puts constants in place of what depends on no input, and in place of what depends on rows besides, a sum of weights,
/// the mean of a column, values that are computed once for the rows that tables have. Values per row stay, since they
/// would cost memory. Collective.
std::vector<Expr> fold_constants(const Graph& graph, const Evaluate& evaluate);

}  // namespace allgrad
