#include "graph/traversal.hpp"

#include <algorithm>

namespace allgrad {

std::vector<Expr> topological_order(std::span<const Expr> outputs) {
  std::vector<Expr> order;
  NodeSet entered;
  std::vector<std::pair<const Expr*, std::size_t>>
      path;  // a node and its next operand to visit; no recursion, graphs are deep
  for (const Expr& output : outputs) {
    if (entered.insert(output.node()).second) path.emplace_back(&output, 0);
    while (!path.empty()) {
      auto& [expr, next] = path.back();
      if (next == expr->node()->operands.size()) {
        order.push_back(*expr);
        path.pop_back();
        continue;
      }
      const Expr& operand = expr->node()->operands[next++];
      if (entered.insert(operand.node()).second) path.emplace_back(&operand, 0);
    }
  }
  return order;
}

NodeSet dependents(std::span<const Expr> order, const std::function<bool(const Expr&)>& is_input,
                   const std::function<bool(const Expr&)>& ignored) {
  NodeSet result;
  for (const Expr& expr : order) {
    if (ignored && ignored(expr)) continue;
    const auto& operands = expr.node()->operands;
    const bool depends = std::ranges::any_of(operands, [&](const Expr& e) { return result.contains(e.node()); });
    if (depends || is_input(expr)) result.insert(expr.node());
  }
  return result;
}

std::vector<Expr> replaced(std::span<const Expr> exprs, const Replacements& replacements) {
  std::vector<Expr> result;
  for (const Expr& expr : exprs) result.push_back(replacements.at(expr.node()));
  return result;
}

Expr with_replaced_operands(const Expr& expr, const Replacements& replacements) {
  const std::vector<Expr>& operands = expr.node()->operands;
  const auto stays = [&](const Expr& e) { return replacements.at(e.node()).node() == e.node(); };
  if (std::ranges::all_of(operands, stays)) return expr;
  return with_operands(expr, replaced(operands, replacements));
}

std::vector<Expr> rewrite(std::span<const Expr> outputs, const std::function<Expr(const Expr&)>& step) {
  Replacements rewritten;
  for (const Expr& expr : topological_order(outputs)) {
    const NodeOrigin origin(expr.node()->where, expr.node()->backward);
    rewritten.emplace(expr.node(), step(with_replaced_operands(expr, rewritten)));
  }
  return replaced(outputs, rewritten);
}

}  // namespace allgrad
