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
  std::vector<Graph::Number> always;     ///< whatever rows tables have
  std::vector<Graph::Number> with_rows;  ///< as long as they have the same
};

/// Of these, those that not only others of them need.
Foldable last_foldable(const Graph& graph) {
  Foldable roots;
  using Flags = std::vector<bool>;  // by number of nodes
  Flags varying(graph.size()), foldable(graph.size()), of_rows(graph.size()), seen(graph.size());
  const auto note = [&](Graph::Number number) {
    if (!foldable[number] || seen[number]) return;
    seen[number] = true;
    (of_rows[number] ? roots.with_rows : roots.always).push_back(number);
  };
  for (std::size_t number = 0; number < graph.size(); ++number) {
    const Expr& expr = graph.nodes()[number];
    const std::span operands = graph.operands(number);
    const auto is_in = [](const Flags& flags) { return [&flags](Graph::Number n) { return flags[n]; }; };
    const bool grows = as<BroadcastTo>(expr) != nullptr;  // executed as a view, which is better than a larger constant
    const bool is_known = as<Constant>(expr) != nullptr || as<Precomputed>(expr) != nullptr;
    const bool has_rows = is_per_row(expr) || as<RowCount>(expr) != nullptr || as<Precomputed>(expr) != nullptr ||
                          std::ranges::any_of(operands, is_in(of_rows));
    of_rows[number] = has_rows;
    varying[number] = as<Input>(expr) != nullptr || std::ranges::any_of(operands, is_in(varying));
    foldable[number] = !varying[number] && !is_per_row(expr) && !is_known && !grows;
    for (const Graph::Number operand : operands) {
      // Of what is computed once, too, what changes with the rows is computed apart from what does not.
      if (!foldable[number] || (has_rows && !of_rows[operand])) note(operand);
    }
  }
  std::ranges::for_each(graph.output_numbers(), note);
  return roots;
}

Expr precomputed(const Expr& value) {
  auto store = std::make_shared<PrecomputedStore>();
  store->computed_from = value;
  store->value = Array::from_shape(local_shape(value.shape()));
  return make_node(std::make_shared<const Precomputed>(std::move(store)), {}, value.node()->where);
}

}  // namespace

std::vector<Expr> fold_constants(const Graph& graph, const Evaluate& evaluate) {
  const Foldable roots = last_foldable(graph);
  if (roots.always.empty() && roots.with_rows.empty()) return graph.outputs();
  std::vector<Expr> constants;
  for (const Graph::Number root : roots.always) constants.push_back(graph.nodes()[root]);
  const std::vector<Array> values = constants.empty() ? std::vector<Array>() : evaluate(constants);
  NewNodes now(graph);
  for (std::size_t i = 0; i < roots.always.size(); ++i) {
    const Node& node = *constants[i].node();
    const NodeOrigin origin(node.where, node.backward);
    now.set(roots.always[i], folded_constant(values[i], node.placement, node.where));
  }
  for (const Graph::Number number : roots.with_rows) {
    const Expr& root = graph.nodes()[number];
    const NodeOrigin origin(root.node()->where, root.node()->backward);
    now.set(number, precomputed(root));
  }
  now.rebuild();
  return now.outputs();
}

}  // namespace allgrad
