#include "passes/insert_allreduce.hpp"

#include "dsl/collectives.hpp"
#include "graph/operator.hpp"
#include "graph/placement.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

std::vector<Expr> insert_allreduce(const Graph& graph) {
  NodeMap<Expr> totals;
  const auto total_of = [&](const Expr& partial) {
    Expr& total = totals[partial.node()];
    if (total.empty()) {
      const NodeOrigin origin(partial.node()->where, partial.node()->backward);
      total = allreduce(partial);
    }
    return total;
  };
  std::vector<Expr> result = rewrite(graph, [&](const Expr& expr) {
    if (!needs_totals(*expr.node())) return expr;
    std::vector<Expr> operands = expr.node()->operands;
    for (Expr& operand : operands) {
      if (operand.placement() == Placement::partial) operand = total_of(operand);
    }
    return with_operands(expr, std::move(operands));
  });
  for (Expr& output : result) {
    if (output.placement() == Placement::partial) output = total_of(output);
  }
  return result;
}

}  // namespace allgrad
