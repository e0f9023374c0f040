#include "passes/hoist_broadcasts.hpp"

#include <algorithm>

#include "allgrad/arrays.hpp"
#include "dsl/broadcast_to.hpp"
#include "dsl/elementwise.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

std::vector<Expr> hoist_broadcasts(const std::vector<Expr>& outputs) {
  return rewrite(outputs, [](const Expr& expr) {
    const auto is_broadcast = [](const Expr& operand) { return as<BroadcastTo>(operand) != nullptr; };
    if (as<Elementwise>(expr) == nullptr || std::ranges::none_of(expr.node()->operands, is_broadcast)) return expr;
    std::vector<Expr> sources;
    for (const Expr& operand : expr.node()->operands) {
      sources.push_back(is_broadcast(operand) ? operand.node()->operands[0] : operand);
    }
    return broadcast_to(with_operands(expr, std::move(sources)), expr.shape());
  });
}

}  // namespace allgrad
