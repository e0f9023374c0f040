#pragma once

#include <functional>
#include <vector>

#include "allgrad/arrays.hpp"
#include "allgrad/name.hpp"

namespace allgrad {

/// A function of arrays and its derivatives, as the user writes them. They may be called any number of times, and not
/// at all on a rank without rows. Arrays have the shapes of the operands, of the value, or of their derivatives; a row
/// axis has as many rows as are computed at a time.
struct CustomFunction {
  /// The value at the operands.
  std::function<Array(const std::vector<Array>& operands)> value;

  /// Vector-Jacobian product: the cotangent of each operand, of the operand's shape, from that of the value. Of an
  /// operand that is not per row, beside a value that is, it is the sum over the rows at hand.
  std::function<std::vector<Array>(const std::vector<Array>& operands, const Array& value, const Array& cotangent)>
      vjp = {};

  /// Jacobian-vector product: the tangent of the value from that of each operand, zeros where one does not change. It
  /// is needed for Jacobians alone; where it is left out, gradients are computed by `vjp`.
  std::function<Array(const std::vector<Array>& operands, const Array& value, const std::vector<Array>& tangents)> jvp =
      {};
};

/// A value of the given shape that `function` computes from the operands. The shape has the row axis of the operands
/// where these have one, at any place, and then the function treats each row by itself; otherwise the value is the same
/// on all ranks, or a rank's own where an operand is. Partial operands are totalled before.
///
/// Messages and graphs call the node by its name. What a function throws on one rank is raised on all, with the line of
/// this call, as is ExpressionError where it returns another shape. Throws ExpressionError where the shape has no rows
/// or other rows than the operands, or the function has no value. A gradient throws ExpressionError where there is no
/// vjp, a Jacobian where there is no jvp, and any second derivative.
/// In Python: jax.custom_vjp.
Expr custom(const Name& name, const Parts& operands, const Shape& shape, CustomFunction function);

}  // namespace allgrad
