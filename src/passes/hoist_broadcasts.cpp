#include "passes/hoist_broadcasts.hpp"

#include <algorithm>

#include "allgrad/arrays.hpp"
#include "dsl/broadcast_to.hpp"
#include "dsl/concatenate.hpp"
#include "dsl/custom.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/reshape.hpp"
#include "dsl/slice.hpp"
#include "dsl/store.hpp"
#include "dsl/sum.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// An entry per axis.
using Flags = std::vector<bool>;

/// The axes along which the last operation of an expression repeats its operand.
Flags stretched_axes(const Expr& expr) {
  Flags stretched(expr.ndim(), false);
  if (as<BroadcastTo>(expr) == nullptr) return stretched;
  const Shape& from = operand(expr).shape();
  const std::size_t missing = expr.ndim() - from.size();
  for (std::size_t axis = 0; axis < expr.ndim(); ++axis) {
    stretched[axis] =
        axis < missing ? !(expr.shape()[axis] == Extent(1)) : !(from[axis - missing] == expr.shape()[axis]);
  }
  return stretched;
}

bool any_set(const Flags& flags) { return std::ranges::find(flags, true) != flags.end(); }

/// The shape with length 1 along some axes.
Shape flattened(Shape shape, const Flags& axes) {
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (axes[axis]) shape[axis] = Extent(1);
  }
  return shape;
}

/// The expression as it is before it is stretched along `axes`, which are all stretched; other axes as they are.
Expr without_stretch(const Expr& expr, const Flags& axes) {
  const Shape shape = flattened(expr.shape(), axes);
  Shape aligned = unstretched(expr).shape();
  aligned.insert(aligned.begin(), shape.size() - aligned.size(), Extent(1));
  return broadcast_to(reshaped(unstretched(expr), aligned), shape);
}

/// The operation on operands that are not stretched along `axes`, and stretched to its shape then.
Expr stretched_after(const Expr& expr, const Flags& axes) {
  std::vector<Expr> operands;
  for (const Expr& each : expr.node()->operands) operands.push_back(without_stretch(each, axes));
  return broadcast_to(with_operands(expr, std::move(operands)), expr.shape());
}

Expr hoist_elementwise(const Expr& expr) {
  const auto is_broadcast = [](const Expr& each) { return as<BroadcastTo>(each) != nullptr; };
  if (std::ranges::none_of(expr.node()->operands, is_broadcast)) return expr;
  std::vector<Expr> sources;
  for (const Expr& each : expr.node()->operands) sources.push_back(unstretched(each));
  return broadcast_to(with_operands(expr, std::move(sources)), expr.shape());
}

/// Of an operation that moves elements along one axis, which its operands may lack.
Expr hoist_along(const Expr& expr, std::size_t axis) {
  Flags axes(operand(expr).ndim(), true);
  for (const Expr& each : expr.node()->operands) {
    const Flags stretched = stretched_axes(each);
    for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = axes[i] && stretched[i];
  }
  if (axis < axes.size()) axes[axis] = false;
  return any_set(axes) ? stretched_after(expr, axes) : expr;
}

/// Sums over the axes that are not stretched first.
Expr hoist_sum(const Expr& expr, const Sum& sum) {
  const Expr& x = operand(expr);
  const Flags stretched = stretched_axes(x);
  if (!any_set(stretched)) return expr;
  std::vector<std::size_t> first, rest;  // axes of x, and those of the first sum's result
  for (const std::size_t axis : sum.axes()) {
    if (stretched[axis]) {
      rest.push_back(axis - first.size());
    } else {
      first.push_back(axis);
    }
  }
  if (first.empty() && rest.size() == static_cast<std::size_t>(std::ranges::count(stretched, true))) return expr;
  Flags kept = stretched;  // axes that stay, of those that are stretched
  for (const std::size_t axis : sum.axes()) kept[axis] = false;
  Shape between = x.shape();
  for (auto axis = first.rbegin(); axis != first.rend(); ++axis) {
    between.erase(between.begin() + static_cast<std::ptrdiff_t>(*axis));
    kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(*axis));
  }
  const Expr inner = sum_over(without_stretch(x, stretched), first, expr.node()->where);
  const Expr outer = sum_over(broadcast_to(inner, flattened(between, kept)), rest, expr.node()->where);
  return broadcast_to(outer, expr.shape());
}

/// Where only axes of length 1 come or go.
Expr hoist_reshape(const Expr& expr) {
  const Flags stretched = stretched_axes(operand(expr));
  if (!any_set(stretched)) return expr;
  const Shape &from = operand(expr).shape(), &to = expr.shape();
  Shape shape = to;
  std::size_t i = 0;
  for (std::size_t j = 0; j < to.size(); ++j) {
    if (to[j] == Extent(1)) continue;
    while (i < from.size() && from[i] == Extent(1)) ++i;
    if (i == from.size() || !(from[i] == to[j])) return expr;
    if (stretched[i++]) shape[j] = Extent(1);
  }
  if (std::any_of(from.begin() + static_cast<std::ptrdiff_t>(i), from.end(),
                  [](const Extent& e) { return !(e == Extent(1)); }))
    return expr;
  return broadcast_to(reshaped(without_stretch(operand(expr), stretched), shape), to);
}

/// Of any operation that works row by row: once for all rows, where these do not change what it works on.
Expr hoist_from_rows(const Expr& expr) {
  if (!row_axis(expr.shape()) || !expr.node()->op->works_by_rows() || as<CustomOperator>(expr) != nullptr ||
      as<Store>(expr) != nullptr)
    return expr;
  bool has_rows = false;
  std::vector<Expr> operands;
  for (const Expr& each : expr.node()->operands) {
    const auto axis = row_axis(each.shape());
    Flags rows(each.ndim(), false);
    if (axis) {
      if (!stretched_axes(each)[*axis]) return expr;
      rows[*axis] = has_rows = true;
    }
    operands.push_back(axis ? without_stretch(each, rows) : each);
  }
  return has_rows ? broadcast_to(with_operands(expr, std::move(operands)), expr.shape()) : expr;
}

Expr hoisted(const Expr& expr) {
  if (as<Elementwise>(expr) != nullptr) return hoist_elementwise(expr);
  if (as<BroadcastTo>(expr) != nullptr) return broadcast_to(unstretched(operand(expr)), expr.shape());
  if (as<Reshape>(expr) != nullptr) return hoist_reshape(expr);
  if (const auto* sum = as<Sum>(expr)) return hoist_sum(expr, *sum);
  if (const auto* slice = as<SliceAxis>(expr)) return hoist_along(expr, slice->slice().axis);
  if (const auto* pad = as<PadAxis>(expr))
    return hoist_along(expr, pad->slice().drop ? expr.ndim() : pad->slice().axis);
  if (const auto* joined = as<Concatenate>(expr)) return hoist_along(expr, joined->axis());
  return hoist_from_rows(expr);
}

}  // namespace

std::vector<Expr> hoist_broadcasts(const Graph& graph) { return rewrite(graph, hoisted); }

}  // namespace allgrad
