#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Makes products and roots of small constant powers, and exponentials of powers of 10 and 2, where these are as
/// accurate: a power costs as much as twenty products. pow(10, x) becomes exp10(x), pow(4, x) exp2(2 * x), pow(x, 3)
/// x * x * x, pow(x, -0.5) 1 / sqrt(x). Other bases stay: exp(x * log(base)) has the rounding error of its argument.
std::vector<Expr> powers(const Graph& graph);

}  // namespace allgrad
