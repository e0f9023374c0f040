#include "passes/fold_constants.hpp"

#include <algorithm>

#include "dsl/broadcast_to.hpp"
#include "dsl/constant.hpp"
#include "dsl/input.hpp"
#include "dsl/precomputed.hpp"
#include "dsl/row_count.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// Values that can be computed once.
struct Foldable {
  std::vector<Expr> always;     ///< whatever rows tables have
  std::vector<Expr> with_rows;  ///< as long as they have the same
};

/// Of these, those that not only others of them need.
Foldable last_foldable(const std::vector<Expr>& outputs) {
  Foldable roots;
  NodeSet varying, foldable, of_rows, seen;
  const auto note = [&](const Expr& expr) {
    if (!foldable.contains(expr.node()) || !seen.insert(expr.node())) return;
    (of_rows.contains(expr.node()) ? roots.with_rows : roots.always).push_back(expr);
  };
  for_each_node(outputs, [&](const Expr& expr) {
    const std::vector<Expr>& operands = expr.node()->operands;
    const auto is_in = [](const NodeSet& set) { return [&set](const Expr& e) { return set.contains(e.node()); }; };
    const bool grows = as<BroadcastTo>(expr) != nullptr;  // executed as a view, which is better than a larger constant
    const bool is_known = as<Constant>(expr) != nullptr || as<Precomputed>(expr) != nullptr;
    const bool has_rows = expr.placement() == Placement::per_row || as<RowCount>(expr) != nullptr ||
                          as<Precomputed>(expr) != nullptr || std::ranges::any_of(operands, is_in(of_rows));
    if (has_rows) of_rows.insert(expr.node());
    if (as<Input>(expr) != nullptr || std::ranges::any_of(operands, is_in(varying))) {
      varying.insert(expr.node());
    } else if (expr.placement() != Placement::per_row && !is_known && !grows) {
      foldable.insert(expr.node());
      // What changes with the rows is computed apart from what does not.
      if (has_rows)
        std::ranges::for_each(operands, [&](const Expr& e) {
          if (!of_rows.contains(e.node())) note(e);
        });
      return;
    }
    std::ranges::for_each(operands, note);
  });
  std::ranges::for_each(outputs, note);
  return roots;
}

Expr precomputed(const Expr& value) {
  auto store = std::make_shared<PrecomputedStore>();
  store->computed_from = value;
  store->value = Array::from_shape(local_shape(value.shape()));
  return make_node(std::make_shared<const Precomputed>(std::move(store)), {}, value.node()->where);
}

}  // namespace

std::vector<Expr> fold_constants(const std::vector<Expr>& outputs, const Evaluate& evaluate) {
  const Foldable roots = last_foldable(outputs);
  if (roots.always.empty() && roots.with_rows.empty()) return outputs;
  const std::vector<Array> values = roots.always.empty() ? std::vector<Array>() : evaluate(roots.always);
  Replacements rebuilt;
  for (std::size_t i = 0; i < roots.always.size(); ++i) {
    const Node& node = *roots.always[i].node();
    const NodeOrigin origin(node.where, node.backward);
    rebuilt.emplace(&node, folded_constant(values[i], node.placement, node.where));
  }
  for (const Expr& root : roots.with_rows) {
    const NodeOrigin origin(root.node()->where, root.node()->backward);
    rebuilt.emplace(root.node(), precomputed(root));
  }
  for_each_node(outputs, [&](const Expr& expr) { rebuild(expr, rebuilt); });
  return replaced(outputs, rebuilt);
}

}  // namespace allgrad
