// transpose: the axes in another order, the row axis too; swapaxes and moveaxis are special cases. Adjoint: the
// cotangent with its axes back in order. Executed as a view.
#include "dsl/transpose.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <xtensor/xmanipulation.hpp>

#include "allgrad/arrays.hpp"
#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

std::vector<std::size_t> all_axes(std::size_t ndim) {
  std::vector<std::size_t> axes(ndim);
  std::iota(axes.begin(), axes.end(), std::size_t{0});
  return axes;
}

/// Runs a function that makes an order of axes, and puts the call in front of what it throws.
template <class Order>
Expr in_order(const Operand& x, std::string_view call, Order order) {
  try {
    return transposed(x.expr(), order(), x.where());
  } catch (const ExpressionError& error) {
    throw ExpressionError(fmt::format("{} of {}: {}", call, to_string(x.expr().shape()), error.what()), x.where());
  }
}

}  // namespace

std::string Transpose::attributes() const { return fmt::format("axes={}", axes_); }

void Transpose::identify(Fingerprint& hash) const {
  for (const std::size_t axis : axes_) hash.add(axis);
}

Shape Transpose::infer_shape(std::span<const Expr> operands) const {
  Shape shape;
  for (const std::size_t axis : axes_) shape.push_back(operands[0].shape()[axis]);
  return shape;
}

Expr Transpose::adjoint(const Expr& node, const Expr& cotangent, std::size_t) const {
  std::vector<std::size_t> back(axes_.size());
  for (std::size_t i = 0; i < axes_.size(); ++i) back[axes_[i]] = i;
  return transposed(cotangent, back, node.node()->where);
}

Array Transpose::evaluate(const Node&, std::span<const Array* const> operands, Evaluation&) const {
  return xt::transpose(*operands[0], axes_);
}

View Transpose::lower(const Node& node, Lowering& lowering) const {
  const Shape& from = node.operands[0].shape();
  const View& whole = lowering.operand(0);
  View view{whole.buffer, whole.offset, {}};
  for (const std::size_t axis : axes_) {
    if (!from[axis].is_rows()) view.strides.push_back(whole.strides[lane_axis(from, axis)]);
  }
  return view;
}

Expr transposed(const Expr& x, const std::vector<std::size_t>& axes, SourceLocation where) {
  if (std::ranges::is_sorted(axes)) return x;
  return make_node(std::make_shared<const Transpose>(axes), {x}, where);
}

Expr transpose(const Operand& x, const Axes& axes) {
  const std::size_t ndim = x.expr().ndim();
  return in_order(x, "transpose", [&] {
    std::vector<std::size_t> order = all_axes(ndim);
    if (axes.all()) {
      std::ranges::reverse(order);
      return order;
    }
    order.clear();
    for (const Position& axis : axes.values()) order.push_back(normalize_axis(axis, ndim));
    std::vector<std::size_t> sorted = order;
    std::ranges::sort(sorted);
    if (sorted == all_axes(ndim)) return order;
    throw ExpressionError(fmt::format("expected each of its {} axes once, got {}", ndim, order));
  });
}

Expr swapaxes(const Operand& x, const Position& axis1, const Position& axis2) {
  const std::size_t ndim = x.expr().ndim();
  return in_order(x, "swapaxes", [&] {
    std::vector<std::size_t> order = all_axes(ndim);
    std::swap(order[normalize_axis(axis1, ndim)], order[normalize_axis(axis2, ndim)]);
    return order;
  });
}

Expr moveaxis(const Operand& x, const Position& source, const Position& destination) {
  const std::size_t ndim = x.expr().ndim();
  return in_order(x, "moveaxis", [&] {
    std::vector<std::size_t> order = all_axes(ndim);
    const std::size_t from = normalize_axis(source, ndim), to = normalize_axis(destination, ndim);
    order.erase(order.begin() + static_cast<std::ptrdiff_t>(from));
    order.insert(order.begin() + static_cast<std::ptrdiff_t>(to), from);
    return order;
  });
}

}  // namespace allgrad
