#include "passes/exact_row_sums.hpp"

#include <algorithm>

#include "dsl/collectives.hpp"
#include "dsl/exact_sum.hpp"
#include "dsl/input.hpp"
#include "dsl/sum.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

Expr exact(const Expr& expr) {
  const auto* sum = as<Sum>(expr);
  if (sum == nullptr || expr.placement() != Placement::partial) return expr;
  const Expr& x = expr.node()->operands[0];
  return row_axis(x.shape()) ? share(exact_row_sum(x, sum->axes())) : expr;
}

/// True where a rank's own share of a sum is asked for: it depends on the rank's rows, and a total is no share.
bool asks_for_shares(const std::vector<Expr>& outputs) {
  bool found = false;
  for_each_node(outputs, [&found](const Expr& expr) {
    found = found || (as<AsPlacement>(expr) != nullptr && expr.placement() == Placement::per_rank);
  });
  return found;
}

}  // namespace

std::vector<Expr> exact_row_sums(const std::vector<Expr>& outputs) {
  return asks_for_shares(outputs) ? outputs : rewrite(outputs, exact);
}

std::vector<Expr> exact_constant_row_sums(const std::vector<Expr>& outputs) {
  if (asks_for_shares(outputs)) return outputs;
  NodeSet varying;
  return rewrite(outputs, [&](const Expr& expr) {
    const auto varies = [&](const Expr& operand) { return varying.contains(operand.node()); };
    if (as<Input>(expr) != nullptr || std::ranges::any_of(expr.node()->operands, varies)) {
      varying.insert(expr.node());
      return expr;
    }
    return exact(expr);
  });
}

}  // namespace allgrad
