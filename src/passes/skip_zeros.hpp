#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Sums over the part of an axis alone where a constant factor is not 0, as derivatives by one of several lanes have
/// it: of safe products, and of those of derivatives with finite values.
std::vector<Expr> skip_zeros(const Graph& graph);

}  // namespace allgrad
