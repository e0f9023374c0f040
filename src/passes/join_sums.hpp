#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Makes one sum over several axes of a sum of sums, where the inner one is used for nothing else. Adjoints sum over
/// lanes before rows; summed over rows first, a factor per lane is multiplied once per evaluation.
std::vector<Expr> join_sums(const Graph& graph);

}  // namespace allgrad
