// Reductions that are compositions: of sums, products, and the extremum of lanes and rows.
#include "allgrad/reductions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "base/finite.hpp"
#include "dsl/axes.hpp"
#include "dsl/broadcast_to.hpp"
#include "dsl/extremum.hpp"
#include "dsl/reshape.hpp"
#include "dsl/row_extremum.hpp"
#include "dsl/slice.hpp"
#include "dsl/sum.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// A value with the axes to reduce; what is built while it lives belongs to the line of the value.
class Reduction {
 public:
  Reduction(const Operand& x, const Axes& axes, std::string_view function)
      : x_(x.expr()), axes_(reduced_axes(x, axes, function)), origin_(x.where(), false) {}

  const Expr& x() const { return x_; }
  const AxisList& axes() const { return axes_; }
  Expr count() const { return num_elements(x_.shape(), axes_, {}); }
  Expr sum(const Expr& terms) const { return sum_over(terms, axes_, {}); }

  /// With the axes that a reduced value lacks.
  Expr beside(const Expr& reduced) const { return reshaped(reduced, with_single(x_.shape(), axes_)); }

 private:
  Expr x_;
  AxisList axes_;
  NodeOrigin origin_;
};

/// Halves multiplied until one element is left: log2(n) products, whose derivatives are right at 0, too.
Expr product_along(Expr x, std::size_t axis) {
  if (x.shape()[axis].length == 0) return broadcast_to(constant(1.0), with_single(x.shape(), {axis}));
  for (;;) {
    const std::size_t length = x.shape()[axis].length, half = length / 2;
    if (length == 1) return x;
    Expr halves = slice_axis(x, axis, 0, half, {}) * slice_axis(x, axis, half, half, {});
    x = length % 2 == 0
            ? halves
            : concatenate({halves, slice_axis(x, axis, length - 1, 1, {})}, static_cast<std::ptrdiff_t>(axis));
  }
}

Expr extremum(const Reduction& reduction, bool smallest) {
  AxisList axes = reduction.axes();
  Expr x = reduction.x();
  const auto rows = row_axis(x.shape());
  const bool over_rows = rows && std::ranges::binary_search(axes, *rows);
  if (over_rows) std::erase(axes, *rows);
  if (!axes.empty()) x = make_node(std::make_shared<const Extremum>(smallest, axes), {x}, {});
  return over_rows ? extremum_over_rows(x, smallest) : x;
}

Expr extremum(const Operand& x, const Axes& axes, bool smallest) {
  const std::string_view function = smallest ? "amin" : "amax";
  const Reduction reduction(x, axes, function);
  return extremum(reduction, smallest);
}

Expr variance(const Reduction& reduction, double ddof) {
  const Expr center = reduction.beside(reduction.sum(reduction.x()) / reduction.count());
  return reduction.sum(square(reduction.x() - center)) / maximum(reduction.count() - ddof, 0.0);
}

bool is_empty(const Reduction& reduction) {
  return std::ranges::any_of(reduction.axes(),
                             [&](std::size_t axis) { return reduction.x().shape()[axis] == Extent(0); });
}

/// What is subtracted before exponentials: the maximum where it is finite, as a constant to the differentiation. It
/// has length 1 along the reduced axes.
Expr offset(const Reduction& reduction) {
  if (is_empty(reduction)) return constant(0.0);
  const Expr largest = reduction.beside(stop_gradient(extremum(reduction, false)));
  return where(abs(largest) < infinity, largest, 0.0);
}

}  // namespace

Expr prod(const Operand& x, const Axes& axes) {
  const Reduction reduction(x, axes, "prod");
  const auto rows = row_axis(reduction.x().shape());
  if (rows && std::ranges::binary_search(reduction.axes(), *rows)) {
    throw ExpressionError(
        fmt::format(
            "prod({}): a product over rows is not supported, since it under- or overflows; use sum(log(x), {}), "
            "or name the axes of lanes",
            to_string(x.expr().shape()), *rows),
        x.where());
  }
  Expr product = reduction.x();
  for (const std::size_t axis : reduction.axes()) product = product_along(product, axis);
  return reduction.sum(product);  // over axes of length 1
}

Expr var(const Operand& x, const Axes& axes, double ddof) { return variance(Reduction(x, axes, "var"), ddof); }

Expr stddev(const Operand& x, const Axes& axes, double ddof) {
  const Reduction reduction(x, axes, "stddev");
  return sqrt(variance(reduction, ddof));
}

Expr average(const Operand& x, const Operand& weights, const Axes& axes) {
  if (!broadcasts_to(weights.expr().shape(), x.expr().shape())) {
    throw ExpressionError(fmt::format("average({}): expected weights that broadcast to the shape of the values, got "
                                      "shape {}; expand_dims gives the weights further axes",
                                      to_string(x.expr().shape()), to_string(weights.expr().shape())),
                          x.where());
  }
  const Reduction reduction(x, axes, "average");
  const Expr whole = broadcast_to(weights, x.expr().shape());
  return reduction.sum(reduction.x() * weights) / reduction.sum(whole);
}

Expr amax(const Operand& x, const Axes& axes) { return extremum(x, axes, false); }

Expr amin(const Operand& x, const Axes& axes) { return extremum(x, axes, true); }

Expr logsumexp(const Operand& x, const Axes& axes) {
  const Reduction reduction(x, axes, "logsumexp");
  const Expr largest = offset(reduction), total = reduction.sum(exp(reduction.x() - largest));
  return log(total) + (is_empty(reduction) ? largest : reduction.sum(largest));
}

Expr softmax(const Operand& x, const Axes& axes) {
  const Reduction reduction(x, axes, "softmax");
  const Expr terms = exp(reduction.x() - offset(reduction));
  return terms / reduction.beside(reduction.sum(terms));
}

Expr log_softmax(const Operand& x, const Axes& axes) {
  const Reduction reduction(x, axes, "log_softmax");
  const Expr below = reduction.x() - offset(reduction);
  return below - log(reduction.beside(reduction.sum(exp(below))));
}

Expr norm_l1(const Operand& x, const Axes& axes) {
  const Reduction reduction(x, axes, "norm_l1");
  return reduction.sum(abs(reduction.x()));
}

Expr norm_l2(const Operand& x, const Axes& axes) {
  const Reduction reduction(x, axes, "norm_l2");
  return sqrt(reduction.sum(square(reduction.x())));
}

Expr count_nonzero(const Operand& x, const Axes& axes) {
  const Reduction reduction(x, axes, "count_nonzero");
  return reduction.sum(not_equal(reduction.x(), 0.0));
}

Expr all(const Operand& x, const Axes& axes) {
  const Reduction reduction(x, axes, "all");
  return equal(reduction.sum(equal(reduction.x(), 0.0)), 0.0);
}

Expr any(const Operand& x, const Axes& axes) {
  const Reduction reduction(x, axes, "any");
  return reduction.sum(not_equal(reduction.x(), 0.0)) > 0.0;
}

}  // namespace allgrad
