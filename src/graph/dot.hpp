#pragma once

#include <string>
#include <vector>

#include "graph/node_map.hpp"
#include "graph/text.hpp"

namespace allgrad {

/// The loops over rows that compute a graph, as boxes to draw: the table of each, and in which one a node is drawn.
struct RowLoops {
  std::vector<std::string> tables = {};
  NodeMap<std::size_t> loop_of = {};
};

/// A graph for Graphviz. Colour tells placement, collectives stand out, what is computed in a loop over rows is boxed,
/// and within it and outside what comes from one of several functions of the user's; the backward half is drawn dashed.
/// Each node has its operator, shape and the user's line.
std::string to_dot(const NamedOutputs& outputs, const RowLoops& loops = {});

}  // namespace allgrad
