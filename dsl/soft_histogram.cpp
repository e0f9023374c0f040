// soft_histogram: a composition: differences between edges of the kernel's distribution function, weighted and summed;
// in several dimensions, of their products.
#include <fmt/format.h>

#include <numbers>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "allgrad/lookup.hpp"
#include "dsl/contraction.hpp"
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

Expr with_bins(const Expr& value) { return expand_dims(value, static_cast<std::ptrdiff_t>(value.ndim())); }

void check_edges(const Operand& x, const Operand& edges) {
  if (edges.expr().ndim() == 1 && !row_axis(edges.expr().shape()) && edges.expr().shape()[0].length >= 2) return;
  throw ExpressionError(fmt::format("soft_histogram({}): expected a vector of at least two edges, got shape {}",
                                    to_string(x.expr().shape()), to_string(edges.expr().shape())),
                        x.where());
}

/// The part of each element of x that is in each bin, [.., nbins].
Expr parts_in_bins(const Operand& x, const Operand& edges, const Operand& width, SmoothingKernel kernel) {
  check_edges(x, edges);
  return diff(distribution((edges.expr() - with_bins(x.expr())) / with_bins(width.expr()), kernel));
}

}  // namespace

Expr soft_histogram(const Operand& x, const Operand& edges, const Operand& width, const Operand& weights,
                    SmoothingKernel kernel) {
  const NodeOrigin origin(x.where(), false);
  const Expr parts = parts_in_bins(x, edges, width, kernel) * with_bins(weights.expr());
  std::vector<std::size_t> axes;
  for (std::size_t axis = 0; axis + 1 < parts.ndim(); ++axis) axes.push_back(axis);
  return sum_over(parts, axes, x.where());
}

Expr soft_histogram(const Parts& x, const Parts& edges, const Parts& width, const Operand& weights,
                    SmoothingKernel kernel) {
  const std::size_t ndim = x.values().size();
  if (ndim == 0 || edges.values().size() != ndim || width.values().size() != ndim) {
    throw ExpressionError(
        fmt::format("soft_histogram: expected edges and a width for each dimension, got {} values, {} "
                    "vectors of edges and {} widths",
                    ndim, edges.values().size(), width.values().size()),
        x.where());
  }
  const SourceLocation where = x.values()[0].where();
  const NodeOrigin origin(where, false);
  std::vector<Expr> parts;
  Shape elements = weights.expr().shape();
  for (std::size_t k = 0; k < ndim; ++k) {
    parts.push_back(parts_in_bins(x.values()[k], edges.values()[k], width.values()[k], kernel));
    try {
      elements = broadcast(elements, Shape(parts[k].shape().begin(), parts[k].shape().end() - 1));
    } catch (const ExpressionError& error) {
      throw ExpressionError(fmt::format("soft_histogram: of the values and weights, {}", error.what()), where);
    }
  }
  parts[0] = parts[0] * with_bins(weights.expr());
  // A letter for each axis of the elements, which are summed over, and one for the bins of each dimension.
  const Letters shared(alphabet.substr(0, elements.size())), bins(alphabet.substr(elements.size(), ndim));
  std::vector<Labelled> operands;
  for (std::size_t k = 0; k < ndim; ++k) {
    operands.push_back({parts[k], shared.substr(elements.size() - (parts[k].ndim() - 1)) + bins[k]});
  }
  return contract(std::move(operands), bins);
}

}  // namespace allgrad
