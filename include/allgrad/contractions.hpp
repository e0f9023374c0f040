#pragma once

#include <string_view>

#include "allgrad/arrays.hpp"

namespace allgrad {

// Sums of products, as named in NumPy. An axis that is summed over may be the row axis: then the result is the total
// over all rows of all ranks. The products themselves are not stored. All throw ExpressionError for shapes that do not
// fit, and for an empty Expr.

/// Sum over the last axis of x and the last but one of y, the only one of a vector: [k] and [k] to [], [rows, k] and
/// [k] to [rows], [m, k] and [k, n] to [m, n]. A number [] multiplies.
Expr dot(const Operand& x, const Operand& y);

/// Product of matrices, the last two axes; the axes before them broadcast. A vector is a row on the left, a column on
/// the right, and its axis is left out of the result: [rows, 3, k] and [k] to [rows, 3].
Expr matmul(const Operand& x, const Operand& y);

/// All products of the elements of two vectors: [m] and [n] to [m, n], [rows] and [n] to [rows, n].
Expr outer(const Operand& x, const Operand& y);

/// Sum over the last `axes` axes of x and the first of y.
Expr tensordot(const Operand& x, const Operand& y, std::size_t axes = 2);

/// Sum over pairs of axes of x and y: axis x_axes[i] goes with axis y_axes[i].
Expr tensordot(const Operand& x, const Operand& y, const Axes& x_axes, const Axes& y_axes);

/// Sum of products by Einstein's convention: a letter for each axis, einsum("rik,k->ri", {x, w}). Letters that the
/// result lacks are summed over; without "->", those that occur once are kept, in the order of the alphabet. Any
/// number of operands; they are multiplied two at a time, the pair with the smallest product first. A letter
/// that occurs twice in an operand takes its diagonal; "..." stands for further axes, which broadcast.
Expr einsum(std::string_view subscripts, const Parts& operands);

}  // namespace allgrad
