#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Puts an allreduce wherever the total of a partial value is meant: under an operator that is not linear in it, beside
/// a replicated value, in a computation per row, and in the outputs.
std::vector<Expr> insert_allreduce(const Graph& graph);

}  // namespace allgrad
