#pragma once

#include <vector>

#include "graph/node.hpp"

namespace allgrad {

/// A value per row as number * fixed * row * core, broadcast to `shape`. What varies along few axes stands apart from
/// what varies along all of them.
struct Product {
  double number = 1.0;  ///< finite, not 0
  Expr fixed = {};      ///< without rows, replicated; empty for 1
  Expr row = {};        ///< per row, with fewer lanes than the whole; empty for 1
  Expr core = {};
  Shape shape = {};
  bool is_sum = false;   ///< its zeros are 0, never -0
  bool is_safe = false;  ///< made by safe_multiply: its factors meet by that again

  bool is_core() const { return number == 1.0 && fixed.empty() && row.empty(); }
};

/// A product of the value alone.
Product product_of(const Expr& value);

/// Multiplies by what varies along fewer axes, or divides by it; safely where the product is safe. What cannot join a
/// factor of other axes joins the core, as does what is known not to be finite.
void multiply_by(Product& product, const Expr& factor, bool divide);

/// How two values meet.
enum class Meeting { product, safe_product, quotient };

/// The product or quotient of values of which each varies along all axes of the result.
Product multiplied(const Product& x, const Product& y, const Shape& shape, Meeting meeting);

/// The value, at a cost of one operation for each kind of factor.
Expr value_of(const Product& product);

/// The sum over axes (ascending), factors outside where they do not vary: sums over lanes, then over rows.
Product summed(Product product, const std::vector<std::size_t>& axes, const Shape& shape);

/// True for 1 / x.
bool is_reciprocal(const Expr& expr);

/// True where a factor can be split off and joined again without any rounding.
bool is_power_of_2(double number);

}  // namespace allgrad
