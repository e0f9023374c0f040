#include "passes/insert_allreduce.hpp"

#include "dsl/collectives.hpp"
#include "graph/operator.hpp"
#include "graph/placement.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

std::vector<Expr> insert_allreduce(const std::vector<Expr>& outputs) {
  std::unordered_map<const Node*, Expr> totals;
  const auto total_of = [&](const Expr& partial) {
    Expr& total = totals[partial.node()];
    if (total.empty()) {
      const NodeOrigin origin(partial.node()->where, partial.node()->backward);
      total = allreduce(partial);
    }
    return total;
  };
  std::vector<Expr> result = rewrite(outputs, [&](const Expr& expr) {
    std::vector<Expr> operands = expr.node()->operands;
    for (std::size_t k = 0; k < operands.size(); ++k) {
      if (needs_total(*expr.node(), k)) operands[k] = total_of(operands[k]);
    }
    return with_operands(expr, std::move(operands));
  });
  for (Expr& output : result) {
    if (output.placement() == Placement::partial) output = total_of(output);
  }
  return result;
}

}  // namespace allgrad
