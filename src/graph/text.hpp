#pragma once

#include <string>
#include <utility>
#include <vector>

#include "graph/node.hpp"

namespace allgrad {

/// The results of a graph and what to call them.
using NamedOutputs = std::vector<std::pair<std::string, Expr>>;

/// A graph as text: one assignment per line with shape, placement and the user's line. Nodes are numbered in the order
/// of computation, so that the texts of two graphs can be compared line by line.
std::string to_text(const NamedOutputs& outputs);

/// Name and attributes of a node's operator: "sum axes=[0]".
std::string describe(const Node& node);

/// The nodes of the outputs, without their names.
std::vector<Expr> exprs_of(const NamedOutputs& outputs);

}  // namespace allgrad
