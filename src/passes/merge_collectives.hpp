#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Lets allreduces that do not depend on each other travel in one message: their operands are joined to one vector,
/// summed over ranks and taken apart again. There are as many messages then as levels of nested reductions.
std::vector<Expr> merge_collectives(const Graph& graph);

}  // namespace allgrad
