#pragma once

#include <string>

#include "graph/text.hpp"

namespace allgrad {

/// A graph for Graphviz. Colour tells placement, collectives stand out, values per row are boxed by the sweep over rows
/// that computes them, the backward half is drawn dashed; each node has its operator, shape and the user's line.
std::string to_dot(const NamedOutputs& outputs);

}  // namespace allgrad
