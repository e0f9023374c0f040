// cumprod, and integrals by the trapezoidal and by Simpson's rule: compositions. A cumprod of n elements takes log2(n)
// products of the value with itself moved on, so that its derivatives are right at 0, too.
#include <fmt/format.h>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "dsl/axes.hpp"
#include "dsl/concatenate.hpp"
#include "dsl/reshape.hpp"
#include "dsl/slice.hpp"
#include "dsl/sum.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// What is integrated over what, along an axis of lanes.
class Integral {
 public:
  Integral(const Operand& y, const Operand& x, const Position& axis, std::string_view function)
      : y_(y.expr()),
        axis_(chosen_lane_axis(y, axis, function, "rows have no order to integrate along; sum over them instead")),
        where_(y.where()) {
    const auto fail = [&](const std::string& why) {
      throw ExpressionError(
          fmt::format("{}({}, {}): {}", function, to_string(y_.shape()), to_string(x.expr().shape()), why), y.where());
    };
    if (num_points() == 0) fail("expected at least one point, got none");
    if (x.expr().ndim() == 0) {
      spacing_ = x.expr();
      return;
    }
    const Extent along = y_.shape()[axis_];
    if (x.expr().shape() == y_.shape()) {
      positions_ = x.expr();
      return;
    }
    if (x.expr().shape() != Shape{along}) {
      fail(fmt::format("expected positions of shape [{}] or of the shape of y, or the distance of neighbours, []",
                       along.length));
    }
    Shape aligned(y_.ndim(), Extent(1));
    aligned[axis_] = along;
    positions_ = reshaped(x, aligned);
  }

  std::size_t num_points() const { return y_.shape()[axis_].length; }
  std::size_t axis() const { return axis_; }

  /// Elements start, start + step, ... of y.
  Expr y(std::size_t start, std::size_t count, std::ptrdiff_t step = 1) const { return part(y_, start, count, step); }

  /// The distances that begin at the points start, start + step, ...
  Expr h(std::size_t start, std::size_t count, std::ptrdiff_t step = 1) const {
    if (positions_.empty()) return spacing_;
    return part(positions_, start + 1, count, step) - part(positions_, start, count, step);
  }

  Expr sum(const Expr& terms) const { return sum_over(terms, {axis_}, where_); }

 private:
  Expr part(const Expr& of, std::size_t start, std::size_t count, std::ptrdiff_t step) const {
    const AxisSlice slice{axis_, start, count > 1 ? step : 1, count, of.shape()[axis_].length, false};
    return make_node(std::make_shared<const SliceAxis>(slice), {of}, where_);
  }

  Expr y_, positions_, spacing_;
  std::size_t axis_;
  SourceLocation where_;
};

Expr trapezoids(const Integral& integral) {
  const std::size_t count = integral.num_points() - 1;
  return 0.5 * integral.h(0, count) * (integral.y(0, count) + integral.y(1, count));
}

/// Simpson's rule over the `count` pairs of intervals from the first point on.
Expr parabolas(const Integral& integral, std::size_t count) {
  const Expr h0 = integral.h(0, count, 2), h1 = integral.h(1, count, 2), whole = h0 + h1;
  return integral.sum(whole / 6.0 *
                      (integral.y(0, count, 2) * (2.0 - h1 / h0) +
                       integral.y(1, count, 2) * (square(whole) / (h0 * h1)) +
                       integral.y(2, count, 2) * (2.0 - h0 / h1)));
}

/// The last interval under the parabola through the last three points.
Expr last_interval(const Integral& integral) {
  const std::size_t n = integral.num_points();
  const Expr h0 = integral.h(n - 3, 1), h1 = integral.h(n - 2, 1), whole = h0 + h1;
  return integral.sum(integral.y(n - 1, 1) * (h1 * (2.0 * h1 + 3.0 * h0) / (6.0 * whole)) +
                      integral.y(n - 2, 1) * (h1 * (h1 + 3.0 * h0) / (6.0 * h0)) -
                      integral.y(n - 3, 1) * (h1 * square(h1) / (6.0 * h0 * whole)));
}

}  // namespace

Expr cumprod(const Operand& x, const Position& axis, bool reverse) {
  const std::size_t at =
      chosen_lane_axis(x, axis, "cumprod", "rows have no order, so there are no running products along the row axis");
  const NodeOrigin origin(x.where(), false);
  const std::size_t length = x.expr().shape()[at].length;
  Expr products = x.expr();
  for (std::size_t step = 1; step < length; step *= 2) {
    const auto part = [&](std::size_t start, std::size_t count) {
      return slice_axis(products, at, start, count, x.where());
    };
    const std::size_t rest = length - step;
    const Expr longer = part(0, rest) * part(step, rest);
    products = reverse ? concatenate_axis({longer, part(rest, step)}, at, x.where())
                       : concatenate_axis({part(0, step), longer}, at, x.where());
  }
  return products;
}

Expr trapezoid(const Operand& y, const Operand& x, const Position& axis) {
  const Integral integral(y, x, axis, "trapezoid");
  const NodeOrigin origin(y.where(), false);
  return integral.sum(trapezoids(integral));
}

Expr cumulative_trapezoid(const Operand& y, const Operand& x, const Position& axis) {
  const Integral integral(y, x, axis, "cumulative_trapezoid");
  const NodeOrigin origin(y.where(), false);
  return cumsum(trapezoids(integral), static_cast<std::ptrdiff_t>(integral.axis()));
}

Expr simpson(const Operand& y, const Operand& x, const Position& axis) {
  const Integral integral(y, x, axis, "simpson");
  const NodeOrigin origin(y.where(), false);
  const std::size_t n = integral.num_points();
  if (n <= 2) return integral.sum(trapezoids(integral));
  const Expr pairs = parabolas(integral, (n - 1) / 2);
  return n % 2 == 1 ? pairs : pairs + last_interval(integral);
}

}  // namespace allgrad
