#pragma once

#include "allgrad/expr.hpp"

namespace allgrad {

// Elementwise functions, as named in xtensor: exp(x), pow(x, y), where(mask, x, y), ... allgrad/operators.def lists
// them with a line of documentation for each. Each operand is an Expr, a number or an xtensor expression. The result
// has the shape to which the operands broadcast: axes are aligned from the last, and are equal, missing or of length 1;
// the rows of a table align with themselves alone. All throw ExpressionError where shapes do not broadcast, and for an
// empty Expr. Comparisons and logical functions give 1 and 0, take all but 0 as true, and have the derivative 0.
#define ALLGRAD_UNARY(name, ...) Expr name(const Operand& x);
#define ALLGRAD_BINARY(name, ...) Expr name(const Operand& x, const Operand& y);
#define ALLGRAD_TERNARY(name, ...) Expr name(const Operand& x, const Operand& y, const Operand& z);
#include "allgrad/operators.def"

inline Expr operator-(const Operand& x) { return neg(x); }
inline Expr operator+(const Operand& x, const Operand& y) { return add(x, y); }
inline Expr operator-(const Operand& x, const Operand& y) { return subtract(x, y); }
inline Expr operator*(const Operand& x, const Operand& y) { return multiply(x, y); }
inline Expr operator/(const Operand& x, const Operand& y) { return divide(x, y); }
inline Expr operator<(const Operand& x, const Operand& y) { return less(x, y); }
inline Expr operator<=(const Operand& x, const Operand& y) { return less_equal(x, y); }
inline Expr operator>(const Operand& x, const Operand& y) { return greater(x, y); }
inline Expr operator>=(const Operand& x, const Operand& y) { return greater_equal(x, y); }
template <class X, class Y>
requires std::same_as<X, Expr> || std::same_as<Y, Expr>
bool operator==(const X&, const Y&) {
  static_assert(detail::never<X>,
                "== compares no elements: write equal(x, y), which is 1 or 0 for each element, or "
                "not_equal(x, y) for !=");
  return false;
}
inline Expr operator&&(const Operand& x, const Operand& y) { return logical_and(x, y); }
inline Expr operator||(const Operand& x, const Operand& y) { return logical_or(x, y); }
inline Expr operator!(const Operand& x) { return logical_not(x); }

inline Expr& operator+=(Expr& x, const Operand& y) { return x = add(Operand(x, y.where()), y); }
inline Expr& operator-=(Expr& x, const Operand& y) { return x = subtract(Operand(x, y.where()), y); }
inline Expr& operator*=(Expr& x, const Operand& y) { return x = multiply(Operand(x, y.where()), y); }
inline Expr& operator/=(Expr& x, const Operand& y) { return x = divide(Operand(x, y.where()), y); }

}  // namespace allgrad
