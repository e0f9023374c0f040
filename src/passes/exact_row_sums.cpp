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

/// The nodes of which a rank's own share is asked for: it depends on the rank's rows, and a total is no share.
NodeSet own_shares(const Graph& graph) {
  NodeSet shares;
  for (std::size_t i = graph.size(); i-- > 0;) {
    const Expr& expr = graph.nodes()[i];
    const bool asks = as<AsPlacement>(expr) != nullptr && expr.placement() == Placement::per_rank;
    if (!asks && !shares.contains(expr.node())) continue;
    for (const Expr& operand : expr.node()->operands) {
      if (operand.placement() == Placement::partial) shares.insert(operand.node());
    }
  }
  return shares;
}

}  // namespace

std::vector<Expr> exact_row_sums(const Graph& graph) {
  const NodeSet shares = own_shares(graph);
  return rewrite(graph, [&](const Expr& now, const Expr& before) {
    return shares.contains(before.node()) ? now : exact(now);
  });
}

std::vector<Expr> exact_constant_row_sums(const Graph& graph) {
  const NodeSet shares = own_shares(graph);
  NodeSet varying;
  return rewrite(graph, [&](const Expr& now, const Expr& before) {
    const auto varies = [&](const Expr& operand) { return varying.contains(operand.node()); };
    if (as<Input>(now) != nullptr || std::ranges::any_of(now.node()->operands, varies)) {
      varying.insert(now.node());
      return now;
    }
    return shares.contains(before.node()) ? now : exact(now);
  });
}

}  // namespace allgrad
