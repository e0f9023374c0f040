#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Computes functions that a value and its derivative need of the same operand by one exponential: sigmoid(x) and
/// sigmoid(-x) by exp(-|x|), cosh(x) by sinh(x). Both keep what is small exact, on either side.
std::vector<Expr> share_functions(const Graph& graph);

}  // namespace allgrad
