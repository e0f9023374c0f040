#pragma once

#include <string_view>

#include "allgrad/lookup.hpp"

namespace allgrad {

/// Throws ExpressionError unless there are as many positions as values along their last axes, at least two, and the
/// positions increase, where they are known.
void check_points(std::string_view function, const Operand& x, const Operand& xp, const Operand& fp);

/// Between which positions a value lies.
struct Interval {
  Expr before;    ///< the number of the position before, or of the first or last but one
  Expr distance;  ///< from it
};
Interval interval_of(const Expr& at, const Expr& positions, SourceLocation where);

/// What is interpolated, or outside of the positions what is asked for there.
Expr with_outside(const Expr& at, const Expr& positions, const Expr& values, const Expr& inside, Outside outside);

}  // namespace allgrad
