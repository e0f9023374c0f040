#include "passes/product.hpp"

#include <algorithm>
#include <cmath>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "dsl/constant.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/reshape.hpp"
#include "dsl/sum.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// With leading axes of length 1, so that axes have the same numbers as in `shape`.
Expr aligned(const Expr& expr, const Shape& shape) {
  Shape longer = expr.shape();
  longer.insert(longer.begin(), shape.size() - longer.size(), Extent(1));
  return reshaped(expr, longer);
}

/// True for a number that can join others: no product with it turns into 0 or infinity by itself.
bool is_plain(double number) { return std::isnormal(number) && std::isnormal(1.0 / number); }

/// x * y, as the factors of a product meet.
Expr times(const Expr& x, const Expr& y, bool is_safe) { return is_safe ? chain(x, y) : x * y; }

/// Joins a factor with those of its kind, unless their product had more lanes than both.
bool join(Expr& factors, const Expr& factor, bool divide, bool is_safe) {
  if (factors.empty()) {
    factors = divide ? 1.0 / factor : factor;
    return true;
  }
  const std::size_t lanes = num_lanes(broadcast(factors.shape(), factor.shape()));
  if (lanes > std::max(num_lanes(factors.shape()), num_lanes(factor.shape()))) return false;
  factors = divide ? factors / factor : times(factors, factor, is_safe);
  return true;
}

/// Joins a number, where it is one that can.
bool join(double& number, double factor, bool divide) {
  const double result = divide ? number / factor : number * factor;
  if (!is_plain(factor) || !is_plain(result)) return false;
  number = result;
  return true;
}

/// A factor of one number as that number.
Expr without_axes(const Expr& factor) {
  const bool is_number = !row_axis(factor.shape()) && num_lanes(factor.shape()) == 1;
  return is_number ? reshaped(factor, {}) : factor;
}

/// number * fixed; empty for 1.
Expr without_rows(const Product& product) {
  const double number = product.number;
  if (product.fixed.empty()) return number == 1.0 ? Expr() : constant(number);
  if (number == 1.0) return product.fixed;
  return number == -1.0 ? -product.fixed : number * product.fixed;
}

/// factor * x, of which either may be a reciprocal.
Expr scaled(const Expr& factor, const Expr& x, bool is_safe) {
  if (uniform_value(factor) == -1.0) return -x;
  if (is_safe) return times(factor, x, true);
  return is_reciprocal(x) ? factor / x.node()->operands[1] : factor * x;
}

/// The axes of a list along which a factor varies, or those along which it does not.
AxisList select(const AxisList& axes, const Expr& factor, bool varies) {
  AxisList result;
  std::ranges::copy_if(axes, std::back_inserter(result),
                       [&](std::size_t axis) { return (factor.shape()[axis] == Extent(1)) != varies; });
  return result;
}

/// The sum over axes, which stay with length 1.
Expr sum_kept(const Expr& x, const AxisList& axes) {
  Shape shape = x.shape();
  for (const std::size_t axis : axes) shape[axis] = Extent(1);
  return reshaped(sum_over(x, select(axes, x, true), x.node()->where), shape);
}

/// Sums along the axes, of those that are left, along which the factor does not vary, then puts it into the core; or
/// leaves it outside where it varies along none.
void sum_up_to(Product& product, Expr& factor, AxisList& axes) {
  if (factor.empty()) return;
  factor = aligned(factor, product.shape);
  const AxisList inner = select(axes, factor, false), outer = select(axes, factor, true);
  if (outer.empty()) return;
  product.core = times(sum_kept(product.core, inner), factor, product.is_safe);
  factor = {};
  axes = outer;
}

bool is_finite(const Expr& expr) {
  const auto* known = as<Constant>(expr);
  return known == nullptr || std::ranges::all_of(known->value().storage(), [](double x) { return std::isfinite(x); });
}

}  // namespace

bool is_reciprocal(const Expr& expr) {
  return kernel_of(expr) == Kernel::divide && uniform_value(operand(expr)) == 1.0;
}

bool is_power_of_2(double number) {
  int exponent = 0;
  return std::isnormal(number) && std::abs(std::frexp(number, &exponent)) == 0.5;
}

Product product_of(const Expr& value) { return {.core = value, .shape = value.shape()}; }

void multiply_by(Product& product, const Expr& factor, bool divide) {
  product.is_sum = false;
  const auto number = uniform_value(factor);
  if (number && join(product.number, *number, divide)) return;
  const bool has_rows = row_axis(factor.shape()).has_value();
  Expr& joined = has_rows ? product.row : product.fixed;
  if (is_finite(factor) && join(joined, without_axes(factor), divide, product.is_safe)) return;
  product.core = divide ? product.core / factor : times(product.core, factor, product.is_safe);
}

Product multiplied(const Product& x, const Product& y, const Shape& shape, Meeting meeting) {
  const bool divide = meeting == Meeting::quotient;
  if (divide && y.is_safe) return multiplied(x, product_of(value_of(y)), shape, meeting);
  Product result = x;
  result.shape = shape;
  result.is_safe = x.is_safe || y.is_safe || meeting == Meeting::safe_product;
  result.core = divide ? x.core / y.core : times(x.core, y.core, result.is_safe);
  result.is_sum = false;
  if (!join(result.number, y.number, divide)) multiply_by(result, constant(y.number), divide);
  for (const Expr& factor : {y.fixed, y.row}) {
    if (!factor.empty()) multiply_by(result, factor, divide);
  }
  return result;
}

Expr value_of(const Product& product) {
  Expr value = product.core, fixed = without_rows(product);
  if (!product.row.empty()) {
    const bool is_uniform = !fixed.empty() && num_lanes(fixed.shape()) == 1;
    value = scaled(is_uniform ? times(fixed, product.row, product.is_safe) : product.row, value, product.is_safe);
    if (is_uniform) fixed = {};
  }
  if (!fixed.empty()) value = scaled(fixed, value, product.is_safe);
  if (product.is_sum && (product.number < 0.0 || !product.fixed.empty() || !product.row.empty())) {
    value = value + 0.0;
  }
  return broadcast_to(value, product.shape);
}

Product summed(Product product, const std::vector<std::size_t>& axes, const Shape& shape) {
  product.core = aligned(product.core, product.shape);
  const bool is_whole = std::ranges::all_of(axes, [&](std::size_t axis) {
    return product.core.shape()[axis] == product.shape[axis] && !(product.shape[axis] == Extent(0));
  });
  if (!is_whole) {
    const Expr value = value_of(product);
    return {.core = sum_over(value, axes, value.node()->where), .shape = shape, .is_sum = true};
  }
  AxisList left = axes;
  const auto varies = [&](const Expr& factor) {
    return !factor.empty() && !select(axes, aligned(factor, product.shape), true).empty();
  };
  if (varies(product.row) && varies(product.fixed)) {
    product.core = times(product.core, product.fixed, product.is_safe);
    product.fixed = {};
  }
  sum_up_to(product, product.row, left);
  sum_up_to(product, product.fixed, left);
  product.core =
      left.empty() ? reshaped(product.core, shape) : sum_over(product.core, axes, product.core.node()->where);
  for (Expr* factor : {&product.fixed, &product.row}) {
    if (factor->empty()) continue;
    Shape kept = aligned(*factor, product.shape).shape();
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
      kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(*axis));
    }
    *factor = without_axes(reshaped(*factor, kept));
  }
  product.shape = shape;
  product.is_sum = true;
  return product;
}

}  // namespace allgrad
