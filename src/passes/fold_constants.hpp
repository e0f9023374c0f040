#pragma once

#include <functional>
#include <vector>

#include "graph/node.hpp"

namespace allgrad {

/// Computes values that are not per row, at least in the graph's own rank.
using Evaluate = std::function<std::vector<Array>(const std::vector<Expr>&)>;

/// Computes once what depends on no input, and puts constants in its place: the number
/// of rows, a sum of weights, the width of bins. Values per row stay, since they would cost memory. Collective where
/// such a value is a total.
std::vector<Expr> fold_constants(const std::vector<Expr>& outputs, const Evaluate& evaluate);

}  // namespace allgrad
