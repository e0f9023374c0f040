#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Computes before it broadcasts: f(broadcast(a), b) becomes broadcast(f(a, b)), through elementwise operators, slices,
/// pads, reshapes, concatenations and sums over axes that are not stretched, and through any operator along the rows.
/// What does not depend on rows thus leaves the loop over them, and broadcasts that f would do anyway are dropped.
std::vector<Expr> hoist_broadcasts(const Graph& graph);

}  // namespace allgrad
