#include "passes/exact_row_sums.hpp"

#include <algorithm>

#include "dsl/collectives.hpp"
#include "dsl/exact_sum.hpp"
#include "dsl/input.hpp"
#include "dsl/sum.hpp"
#include "dsl/take.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

Expr exact(const Expr& expr) {
  if (expr.placement() != Placement::partial || expr.node()->operands.empty()) return expr;
  const Expr& x = expr.node()->operands[0];
  if (!row_axis(x.shape())) return expr;
  if (const auto* sum = as<Sum>(expr)) return share(exact_row_sum(x, sum->axes()));
  return as<ScatterAdd>(expr) != nullptr ? share(exact_scatter(expr)) : expr;
}

/// True where a rank's own share of a sum is asked for: it depends on the rank's rows, and a total is no share.
bool asks_for_shares(const Graph& graph) {
  return any_node(graph, [](const Expr& expr) {
    return as<AsPlacement>(expr) != nullptr && expr.placement() == Placement::per_rank;
  });
}

}  // namespace

std::vector<Expr> exact_row_sums(const Graph& graph) {
  return asks_for_shares(graph) ? graph.outputs() : rewrite(graph, exact);
}

std::vector<Expr> exact_constant_row_sums(const Graph& graph) {
  if (asks_for_shares(graph)) return graph.outputs();
  NodeSet varying;
  return rewrite(graph, [&](const Expr& expr) {
    const auto varies = [&](const Expr& operand) { return varying.contains(operand.node()); };
    if (as<Input>(expr) != nullptr || std::ranges::any_of(expr.node()->operands, varies)) {
      varying.insert(expr.node());
      return expr;
    }
    return exact(expr);
  });
}

}  // namespace allgrad
