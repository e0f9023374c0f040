#pragma once

#include <string_view>

#include "graph/graph.hpp"

namespace allgrad {

/// Checks what holds of every graph from the insertion of allreduces on: shapes and placements are those that the
/// operators infer, and no share is used where a total is meant. Throws InternalError that names `pass` and the node.
void verify(const Graph& graph, std::string_view pass);

}  // namespace allgrad
