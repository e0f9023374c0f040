#pragma once

#include "graph/traversal.hpp"

namespace allgrad {

/// Puts what rows of other loops look into, or add to, in memory for all rows of the rank.
Graph keep_rows(Graph graph);

/// The same, noting what stands for the nodes.
void keep_rows(const Graph& graph, Replacements& replacements);

}  // namespace allgrad
