#pragma once

#include <vector>

#include "graph/node.hpp"

namespace allgrad {

/// Removes operations that change nothing, mostly left by differentiation: x + 0, x * 1, -(-x), x + (-y).
std::vector<Expr> simplify(const std::vector<Expr>& outputs);

}  // namespace allgrad
