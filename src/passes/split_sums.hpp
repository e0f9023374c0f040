#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Makes a sum over rows and lanes of a sum over lanes that is computed anyway.
std::vector<Expr> split_sums(const Graph& graph);

}  // namespace allgrad
