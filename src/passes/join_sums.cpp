#include "passes/join_sums.hpp"

#include <algorithm>
#include <optional>

#include "dsl/reshape.hpp"
#include "dsl/sum.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// The axes of a shape that are longer than 1.
AxisList long_axes(const Shape& shape) {
  AxisList axes;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (!(shape[axis] == Extent(1))) axes.push_back(axis);
  }
  return axes;
}

/// The sum of the operand of an inner sum that a sum of its reshaped result is; empty where axes do not correspond.
Expr joined(const Expr& outer, const Expr& inner) {
  const Expr& x = operand(inner);
  const AxisList from = long_axes(inner.shape()), to = long_axes(operand(outer).shape());
  const AxisList left = remaining_axes(x.shape(), as<Sum>(inner)->axes());
  AxisList axes = as<Sum>(inner)->axes();
  if (from.size() != to.size()) return {};
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (!(inner.shape()[from[i]] == operand(outer).shape()[to[i]])) return {};
    if (std::ranges::binary_search(as<Sum>(outer)->axes(), to[i])) axes.push_back(left[from[i]]);
  }
  std::ranges::sort(axes);
  return reshaped(sum_over(x, axes, outer.node()->where), outer.shape());
}

bool is_sum_of_sum(const Expr& expr) {
  if (as<Sum>(expr) == nullptr) return false;
  const Expr* inner = &operand(expr);
  while (as<Reshape>(*inner) != nullptr) inner = &operand(*inner);
  return as<Sum>(*inner) != nullptr;
}

}  // namespace

std::vector<Expr> join_sums(const Graph& graph) {
  if (!any_node(graph, is_sum_of_sum)) return graph.outputs();
  NodeMap<std::size_t> uses;
  for (const Expr& output : graph.outputs()) ++uses[output.node()];
  for (const Expr& expr : graph.nodes()) {
    for (const Expr& each : expr.node()->operands) ++uses[each.node()];
  }
  NodeMap<Expr> inner_sum;  // that a rebuilt value is, but for axes of length 1
  return rewrite(graph, [&](const Expr& now, const Expr& before) {
    Expr result = now;
    const auto inner = result.node()->operands.empty() ? inner_sum.end() : inner_sum.find(operand(result).node());
    if (as<Sum>(result) != nullptr && inner != inner_sum.end()) {
      const Expr sum = joined(result, inner->second);
      if (!sum.empty()) result = sum;
    }
    if (uses[before.node()] == 1) {
      if (as<Sum>(result) != nullptr) inner_sum[result.node()] = result;
      if (as<Reshape>(before) != nullptr && inner != inner_sum.end()) inner_sum[result.node()] = Expr(inner->second);
    }
    return result;
  });
}

}  // namespace allgrad
