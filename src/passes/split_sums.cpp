#include "passes/split_sums.hpp"

#include <algorithm>

#include "dsl/sum.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// sum_B(x) by sum_A(x), where A is a part of B.
Expr split_sum(const Expr& whole, const Expr& part) {
  const std::vector<std::size_t> left = remaining_axes(operand(whole).shape(), as<Sum>(part)->axes());
  std::vector<std::size_t> axes;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (std::ranges::binary_search(as<Sum>(whole)->axes(), left[i])) axes.push_back(i);
  }
  return sum_over(part, axes, whole.node()->where);
}

bool is_sum_over_lanes(const Expr& expr) { return as<Sum>(expr) != nullptr && row_axis(expr.shape()); }

bool is_sum_over_rows(const Expr& expr) {
  return as<Sum>(expr) != nullptr && row_axis(operand(expr).shape()) && !row_axis(expr.shape());
}

}  // namespace

std::vector<Expr> split_sums(const Graph& graph) {
  if (!any_node(graph, is_sum_over_lanes)) return graph.outputs();
  NodeMap<Expr> lane_sums;  // of an operand, the one over most axes
  for (const Expr& expr : graph.nodes()) {
    if (!is_sum_over_lanes(expr)) continue;
    const auto* sum = as<Sum>(expr);
    Expr& largest = lane_sums[operand(expr).node()];
    if (largest.empty() || as<Sum>(largest)->axes().size() < sum->axes().size()) largest = expr;
  }
  return rewrite(graph, [&](const Expr& now, const Expr& before) {
    const auto part = is_sum_over_rows(before) ? lane_sums.find(operand(before).node()) : lane_sums.end();
    const bool has_part =
        part != lane_sums.end() && std::ranges::includes(as<Sum>(before)->axes(), as<Sum>(part->second)->axes());
    return has_part ? split_sum(now, with_operands(part->second, {operand(now)})) : now;
  });
}

}  // namespace allgrad
