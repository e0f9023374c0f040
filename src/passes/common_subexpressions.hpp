#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Makes one node of nodes that compute the same. Differentiation builds many: each adjoint writes its formula anew.
std::vector<Expr> common_subexpressions(const Graph& graph);

}  // namespace allgrad
