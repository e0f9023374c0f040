#include "graph/traversal.hpp"

#include <algorithm>

namespace allgrad {

namespace {

/// Calls `enter` with each node, which says whether it is new, and `leave` with each that is, after its operands.
template <class Enter, class Leave>
void depth_first(std::span<const Expr> outputs, Enter enter, Leave leave) {
  struct Step {
    const Expr* expr;
    const Expr *next, *end;  // of its operands, those to visit
  };
  std::vector<Step> path;  // no recursion, graphs are deep
  const auto go_to = [&](const Expr& expr) {
    if (!enter(expr.node())) return;
    const std::vector<Expr>& operands = expr.node()->operands;
    path.push_back({&expr, operands.data(), operands.data() + operands.size()});
  };
  for (const Expr& output : outputs) {
    go_to(output);
    while (!path.empty()) {
      if (path.back().next != path.back().end) {
        go_to(*path.back().next++);
      } else {
        leave(*path.back().expr);
        path.pop_back();
      }
    }
  }
}

}  // namespace

std::vector<Expr> topological_order(std::span<const Expr> outputs) {
  std::vector<Expr> order;
  for_each_node(outputs, [&](const Expr& expr) { order.push_back(expr); });
  return order;
}

void for_each_node(std::span<const Expr> outputs, const std::function<void(const Expr&)>& visit) {
  NodeSet entered;
  depth_first(
      outputs, [&](const Node* node) { return entered.insert(node); }, visit);
}

bool any_node(std::span<const Expr> outputs, const std::function<bool(const Expr&)>& has_property) {
  bool found = false;
  for_each_node(outputs, [&](const Expr& expr) { found = found || has_property(expr); });
  return found;
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
  depth_first(
      outputs, [&](const Node* node) { return rewritten.emplace(node).second; },
      [&](const Expr& expr) {
        const NodeOrigin origin(expr.node()->where, expr.node()->backward);
        rewritten[expr.node()] = step(with_replaced_operands(expr, rewritten));
      });
  return replaced(outputs, rewritten);
}

}  // namespace allgrad
