#include "passes/common_subexpressions.hpp"

#include <map>

#include "base/fingerprint.hpp"
#include "graph/operator.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

std::vector<Expr> common_subexpressions(const std::vector<Expr>& outputs) {
  // Two tables may have equal names, so the rows tell their columns apart.
  using Identity = std::tuple<std::uint64_t, Placement, const RowAxis*, std::vector<const Node*>>;
  std::map<Identity, Expr> first;
  return rewrite(outputs, [&](const Expr& expr) {
    const Node& node = *expr.node();
    const bool same_everywhere = node.placement != Placement::partial && node.placement != Placement::per_rank;
    if (node.operands.empty() && !same_everywhere) return expr;  // equal here, maybe not on another rank
    std::vector<const Node*> operands;
    for (const Expr& operand : node.operands) operands.push_back(operand.node());
    Fingerprint hash;
    hash.add(node.op->fingerprint());
    add_to(hash, node.shape);
    Identity identity{hash.value(), node.placement, rows_of(node.shape).get(), std::move(operands)};
    return first.emplace(std::move(identity), expr).first->second;
  });
}

}  // namespace allgrad
