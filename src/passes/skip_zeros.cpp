#include "passes/skip_zeros.hpp"

#include <algorithm>
#include <memory>
#include <optional>

#include "dsl/constant.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/slice.hpp"
#include "dsl/sum.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

bool is_constant(const Expr& expr) {
  return expr.placement() == Placement::replicated && as<Constant>(expr) != nullptr;
}

/// True for a product that is 0 where a constant factor is, whatever the other factor is there.
bool shows_zeros(const Expr& expr) {
  const auto kernel = kernel_of(expr);
  const bool is_of_derivatives = kernel == Kernel::multiply && expr.node()->backward && expr.node()->finite;
  return kernel == Kernel::safe_multiply || is_of_derivatives;
}

/// From the first to the last element of an axis that is not 0 everywhere; nothing where that is all of it, or none.
std::optional<AxisSlice> part_without_zeros(const Array& value, std::size_t axis) {
  const std::size_t length = value.shape(axis);
  std::size_t inner = 1;
  for (std::size_t i = axis + 1; i < value.dimension(); ++i) inner *= value.shape(i);
  std::size_t start = length, end = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value.flat(i) == 0.0) continue;
    const std::size_t position = i / inner % length;
    start = std::min(start, position);
    end = std::max(end, position + 1);
  }
  if (start >= end || end - start == length) return std::nullopt;
  return AxisSlice{.axis = axis, .start = start, .count = end - start, .length = length, .drop = end - start == 1};
}

Expr sliced(const Expr& expr, AxisSlice slice) {
  return make_node(std::make_shared<const SliceAxis>(slice), {expr}, expr.node()->where);
}

/// The other factor along the same axis, which it may lack or be stretched along.
Expr sliced_factor(const Expr& factor, AxisSlice slice, std::size_t axes_behind) {
  if (factor.ndim() <= axes_behind) return factor;
  slice.axis = factor.ndim() - 1 - axes_behind;
  if (!(factor.shape()[slice.axis] == Extent(1))) return sliced(factor, slice);
  if (!slice.drop) return factor;
  return sliced(factor, {.axis = slice.axis, .count = 1, .length = 1, .drop = true});
}

/// The sum over the part of `axis`, by operand `k` of the product, a constant; empty where that is all of it.
Expr sum_of_part(const Expr& expr, std::size_t axis, std::size_t k) {
  const Expr &product = operand(expr, 0), &constant = operand(product, k);
  const std::size_t behind = product.ndim() - 1 - axis;
  if (constant.ndim() <= behind || constant.shape()[constant.ndim() - 1 - behind] == Extent(1)) return {};
  const auto part = part_without_zeros(as<Constant>(constant)->value(), constant.ndim() - 1 - behind);
  if (!part) return {};
  std::vector<Expr> factors(2);
  factors[k] = folded(sliced(constant, *part));
  factors[1 - k] = sliced_factor(operand(product, 1 - k), *part, behind);
  std::vector<std::size_t> axes;
  for (const std::size_t each : as<Sum>(expr)->axes()) {
    if (part->drop && each == axis) continue;
    axes.push_back(part->drop && each > axis ? each - 1 : each);
  }
  return sum_over(with_operands(product, std::move(factors)), std::move(axes), expr.node()->where);
}

bool is_sum_of_products(const Expr& expr) { return as<Sum>(expr) != nullptr && shows_zeros(operand(expr, 0)); }

Expr without_zeros(const Expr& expr) {
  if (!is_sum_of_products(expr)) return expr;
  for (const std::size_t k : {1U, 0U}) {
    if (!is_constant(operand(operand(expr, 0), k))) continue;
    for (const std::size_t axis : as<Sum>(expr)->axes()) {
      const Expr result = sum_of_part(expr, axis, k);
      if (!result.empty() && result.shape() == expr.shape() && result.placement() == expr.placement()) return result;
    }
  }
  return expr;
}

}  // namespace

std::vector<Expr> skip_zeros(const Graph& graph) {
  return any_node(graph, is_sum_of_products) ? rewrite(graph, without_zeros) : graph.outputs();
}

}  // namespace allgrad
