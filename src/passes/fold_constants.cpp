#include "passes/fold_constants.hpp"

#include <algorithm>

#include "dsl/broadcast_to.hpp"
#include "dsl/constant.hpp"
#include "dsl/input.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// The values that can be computed once, but for those that only others of these need.
std::vector<Expr> last_foldable(const std::vector<Expr>& outputs) {
  std::vector<Expr> roots;
  NodeSet varying, foldable, seen;
  const auto note = [&](const Expr& expr) {
    if (foldable.contains(expr.node()) && seen.insert(expr.node())) roots.push_back(expr);
  };
  for_each_node(outputs, [&](const Expr& expr) {
    const std::vector<Expr>& operands = expr.node()->operands;
    const auto varies = [&](const Expr& e) { return varying.contains(e.node()); };
    const bool grows = as<BroadcastTo>(expr) != nullptr;  // executed as a view, which is better than a larger constant
    if (as<Input>(expr) != nullptr || std::ranges::any_of(operands, varies)) {
      varying.insert(expr.node());
    } else if (expr.placement() != Placement::per_row && as<Constant>(expr) == nullptr && !grows) {
      foldable.insert(expr.node());
      return;
    }
    std::ranges::for_each(operands, note);
  });
  std::ranges::for_each(outputs, note);
  return roots;
}

}  // namespace

std::vector<Expr> fold_constants(const std::vector<Expr>& outputs, const Evaluate& evaluate) {
  const std::vector<Expr> roots = last_foldable(outputs);
  if (roots.empty()) return outputs;
  const std::vector<Array> values = evaluate(roots);
  Replacements rebuilt;
  for (std::size_t i = 0; i < roots.size(); ++i) {
    const Node& node = *roots[i].node();
    const NodeOrigin origin(node.where, node.backward);
    rebuilt.emplace(&node, folded_constant(values[i], node.placement, node.where));
  }
  for_each_node(outputs, [&](const Expr& expr) { rebuild(expr, rebuilt); });
  return replaced(outputs, rebuilt);
}

}  // namespace allgrad
