#include "autodiff/post_dominators.hpp"

#include <optional>

#include "graph/operator.hpp"

namespace allgrad {

bool stays_in_rows(const Expr& operand, const Expr& user) {
  const bool by_rows = operand.placement() != Placement::per_row || user.node()->op->works_by_rows();
  return is_per_row(user) && by_rows;
}

PostDominators::PostDominators(const Graph& graph) : next_(graph.size()) {
  const std::vector<Expr>& nodes = graph.nodes();
  std::vector<std::optional<Number>> met(nodes.size());  // of the users so far
  const auto is_used_by = [&](Number node, Number user) { met[node] = met[node] ? meeting(*met[node], user) : user; };
  for (const Number output : graph.output_numbers()) is_used_by(output, none());
  for (std::size_t i = nodes.size(); i-- > 0;) {  // users before operands
    const auto user = static_cast<Number>(i);
    next_[i] = met[i].value_or(none());
    for (const Number operand : graph.operands(i)) {
      if (stays_in_rows(nodes[operand], nodes[i])) {
        is_used_by(operand, user);
      } else if (is_per_row(nodes[operand])) {
        is_used_by(operand, none());
      }
    }
  }
}

PostDominators::Number PostDominators::meeting(Number a, Number b) const {
  while (a != b) {
    if (a < b) {
      a = next_[a];
    } else {
      b = next_[b];
    }
  }
  return a;
}

PostDominators::Number PostDominators::not_before(Number other, Number node) const {
  while (node < other) node = next_[node];
  return node;
}

}  // namespace allgrad
