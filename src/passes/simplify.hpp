#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Removes operations that change nothing, mostly left by differentiation: x + (-0), x * 1, -(-x), x + (-y), a reshape
/// of a reshape. All results stay what they are in IEEE arithmetic, zeros with their signs, infinities and NaN.
std::vector<Expr> simplify(const Graph& graph);

}  // namespace allgrad
