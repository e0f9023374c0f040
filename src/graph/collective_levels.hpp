#pragma once

#include <cstddef>
#include <span>

#include "graph/node_map.hpp"

namespace allgrad {

/// For each node of a topological order, the largest number of allreduces on a path that ends with it, its own counted.
/// Allreduces of one level do not depend on each other.
NodeMap<std::size_t> collective_levels(std::span<const Expr> order);

}  // namespace allgrad
