#include "passes/insert_allreduce.hpp"

#include "dsl/collectives.hpp"
#include "graph/operator.hpp"
#include "graph/placement.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

std::vector<Expr> insert_allreduce(const std::vector<Expr>& outputs) {
  NodeMap<Expr> totals;
  const auto total_of = [&](const Expr& partial) {
    Expr& total = totals[partial.node()];
    if (total.empty()) {
      const NodeOrigin origin(partial.node()->where, partial.node()->backward);
      total = allreduce(partial);
    }
    return total;
  };
  std::vector<Expr> result = rewrite(outputs, [&](const Expr& expr) {
    std::vector<Expr> totalled;  // the operands, where any needs its total
    for (std::size_t k = 0; k < expr.node()->operands.size(); ++k) {
      if (!needs_total(*expr.node(), k)) continue;
      if (totalled.empty()) totalled = expr.node()->operands;
      totalled[k] = total_of(totalled[k]);
    }
    return totalled.empty() ? expr : with_operands(expr, std::move(totalled));
  });
  for (Expr& output : result) {
    if (output.placement() == Placement::partial) output = total_of(output);
  }
  return result;
}

}  // namespace allgrad
