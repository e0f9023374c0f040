#include "passes/fold_constants.hpp"

#include "dsl/broadcast_to.hpp"
#include "dsl/constant.hpp"
#include "dsl/random_key.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

std::vector<Expr> fold_constants(const std::vector<Expr>& outputs, const Expr& params, const Evaluate& evaluate) {
  const std::vector<Expr> order = topological_order(outputs);
  const auto varying = dependents(
      order, [&](const Expr& expr) { return expr.node() == params.node() || as<RandomKey>(expr) != nullptr; });
  const auto foldable = [&](const Expr& expr) {
    const bool grows = as<BroadcastTo>(expr) != nullptr;  // executed as a view, which is better than a larger constant
    return !varying.contains(expr.node()) && expr.placement() != Placement::per_row && as<Constant>(expr) == nullptr &&
           !grows;
  };

  std::vector<Expr> roots;  // the last foldable value on each path to what stays
  std::unordered_set<const Node*> seen;
  const auto note = [&](const Expr& expr) {
    if (foldable(expr) && seen.insert(expr.node()).second) roots.push_back(expr);
  };
  for (const Expr& expr : order) {
    if (foldable(expr)) continue;
    for (const Expr& operand : expr.node()->operands) note(operand);
  }
  for (const Expr& output : outputs) note(output);
  if (roots.empty()) return outputs;

  const std::vector<Array> values = evaluate(roots);
  std::unordered_map<const Node*, Expr> folded;
  for (std::size_t i = 0; i < roots.size(); ++i) {
    const Node& node = *roots[i].node();
    const NodeOrigin origin(node.where, node.backward);
    folded.emplace(&node, folded_constant(values[i], node.placement, node.where));
  }
  std::unordered_map<const Node*, Expr> rebuilt;
  std::vector<Expr> result;
  for (const Expr& expr : order) {
    if (const auto found = folded.find(expr.node()); found != folded.end()) {
      rebuilt.emplace(expr.node(), found->second);
      continue;
    }
    std::vector<Expr> operands;
    for (const Expr& operand : expr.node()->operands) operands.push_back(rebuilt.at(operand.node()));
    rebuilt.emplace(expr.node(), with_operands(expr, std::move(operands)));
  }
  for (const Expr& output : outputs) result.push_back(rebuilt.at(output.node()));
  return result;
}

}  // namespace allgrad
