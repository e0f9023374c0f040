#pragma once

#include "base/flat_map.hpp"
#include "graph/node.hpp"

namespace allgrad {

/// A value for each of some nodes.
template <class T>
using NodeMap = FlatMap<const Node*, T>;

using NodeSet = PointerSet<Node>;

}  // namespace allgrad
