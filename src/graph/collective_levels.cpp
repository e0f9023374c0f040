#include "graph/collective_levels.hpp"

#include <algorithm>

#include "graph/operator.hpp"

namespace allgrad {

NodeMap<std::size_t> collective_levels(std::span<const Expr> order) {
  NodeMap<std::size_t> levels;
  for (const Expr& expr : order) {
    std::size_t level = 0;
    for (const Expr& operand : expr.node()->operands) level = std::max(level, levels.at(operand.node()));
    levels[expr.node()] = level + (expr.node()->op->is_collective() ? 1 : 0);
  }
  return levels;
}

}  // namespace allgrad
