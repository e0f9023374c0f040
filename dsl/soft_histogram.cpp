// soft_histogram: a composition: differences between edges of the kernel's distribution function, weighted and summed.
#include <fmt/format.h>

#include <numbers>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "allgrad/lookup.hpp"
#include "dsl/sum.hpp"
#include "graph/node.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// The part of the kernel that is below z widths from its center.
Expr distribution(const Expr& z, SmoothingKernel kernel) {
  switch (kernel) {
    case SmoothingKernel::gaussian: return 0.5 + 0.5 * erf(z * (1.0 / std::numbers::sqrt2));
    case SmoothingKernel::logistic: return sigmoid(z);
    case SmoothingKernel::triweight: break;
  }
  // The integral of 35/32 (1 - t^2)^3 from -1 to t.
  const Expr t = maximum(-1.0, minimum(1.0, z / 3.0)), t2 = square(t);
  return 0.5 + t * (35.0 - t2 * (35.0 - t2 * (21.0 - 5.0 * t2))) / 32.0;
}

}  // namespace

Expr soft_histogram(const Operand& x, const Operand& edges, const Operand& width, const Operand& weights,
                    SmoothingKernel kernel) {
  if (edges.expr().ndim() != 1 || row_axis(edges.expr().shape()) || edges.expr().shape()[0].length < 2) {
    throw ExpressionError(fmt::format("soft_histogram({}): expected a vector of at least two edges, got shape {}",
                                      to_string(x.expr().shape()), to_string(edges.expr().shape())),
                          x.where());
  }
  const NodeOrigin origin(x.where(), false);
  const auto with_bins = [](const Expr& value) {
    return expand_dims(value, static_cast<std::ptrdiff_t>(value.ndim()));
  };
  const Expr z = (edges.expr() - with_bins(x.expr())) / with_bins(width.expr());
  const Expr parts = diff(distribution(z, kernel)) * with_bins(weights.expr());
  std::vector<std::size_t> axes;
  for (std::size_t axis = 0; axis + 1 < parts.ndim(); ++axis) axes.push_back(axis);
  return sum_over(parts, axes, x.where());
}

}  // namespace allgrad
