#pragma once

#include <cstddef>
#include <span>
#include <unordered_map>

#include "graph/node.hpp"

namespace allgrad {

/// For each node of a topological order, the largest number of allreduces on a path that ends with it, its own counted.
/// Allreduces of one level do not depend on each other.
std::unordered_map<const Node*, std::size_t> collective_levels(std::span<const Expr> order);

}  // namespace allgrad
