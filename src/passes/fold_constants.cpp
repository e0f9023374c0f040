#include "passes/fold_constants.hpp"

#include "dsl/broadcast_to.hpp"
#include "dsl/constant.hpp"
#include "dsl/input.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

std::vector<Expr> fold_constants(const std::vector<Expr>& outputs, const Evaluate& evaluate) {
  const std::vector<Expr> order = topological_order(outputs);
  const auto varying = dependents(order, [](const Expr& expr) { return as<Input>(expr) != nullptr; });
  const auto foldable = [&](const Expr& expr) {
    const bool grows = as<BroadcastTo>(expr) != nullptr;  // executed as a view, which is better than a larger constant
    return !varying.contains(expr.node()) && expr.placement() != Placement::per_row && as<Constant>(expr) == nullptr &&
           !grows;
  };

  std::vector<Expr> roots;  // the last foldable value on each path to what stays
  NodeSet seen;
  const auto note = [&](const Expr& expr) {
    if (foldable(expr) && seen.insert(expr.node())) roots.push_back(expr);
  };
  for (const Expr& expr : order) {
    if (foldable(expr)) continue;
    for (const Expr& operand : expr.node()->operands) note(operand);
  }
  for (const Expr& output : outputs) note(output);
  if (roots.empty()) return outputs;

  const std::vector<Array> values = evaluate(roots);
  Replacements rebuilt;
  for (std::size_t i = 0; i < roots.size(); ++i) {
    const Node& node = *roots[i].node();
    const NodeOrigin origin(node.where, node.backward);
    rebuilt.emplace(&node, folded_constant(values[i], node.placement, node.where));
  }
  for (const Expr& expr : order) {
    if (!rebuilt.contains(expr.node())) rebuilt.emplace(expr.node(), with_replaced_operands(expr, rebuilt));
  }
  return replaced(outputs, rebuilt);
}

}  // namespace allgrad
