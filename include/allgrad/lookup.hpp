#pragma once

#include "allgrad/arrays.hpp"

namespace allgrad {

// Looking up elements by numbers that are computed, and adding up in places that are. Positions are whole numbers from
// 0. A position that is none of the axis gives NaN where elements are looked up, which compiling's search for values
// that are not finite then names, and is left out where they are added up. Positions have no gradient. All throw
// ExpressionError for shapes that do not fit, and for an empty Expr.

/// The element of v at a position along an axis, by default the last. The other axes of v broadcast with those of the
/// index: [n] with an index [rows] gives [rows], [rows, n] with [rows] the element of each row, [rows, 1, n] with
/// [rows, k] several. The gradient by v adds up in the places that were looked up.
Expr take(const Operand& v, const Operand& index, const Position& axis = -1);

/// Rows by number. Of an array that is the same on all ranks, v [n, ...] and an index [rows] give [rows, ...]. Of a
/// value per row of one table, v [rows, ...] and an index per row of another give what each row of that one points to,
/// as the halo of each galaxy; both may be one table. The index counts the rows of all ranks, as in the file that they
/// came from. Ranks do not exchange rows: evaluating throws DataError where an index is of a row of another rank, so
/// deal out the rows of the second table by those of the first. The values that are pointed to are kept for all rows of
/// the rank at every evaluation. In Python: v[index].
Expr gather(const Operand& v, const Operand& index);

/// The sum of x over each group of rows: x [rows, ...] and an index [rows] of numbers from 0 to n - 1 give [n, ...],
/// over all rows of all ranks, for segments = n. Also of a value that is not per row, along its first axis. For
/// segments = table.rows() they are values per row of that table, [rows, ...], the transpose of `gather`, with an index
/// as it takes there, and add up in the order of the rows of x. In Python: jax.ops.segment_sum.
Expr segment_sum(const Operand& x, const Operand& index, const Extent& segments);

/// The sum of the weights of each bin: an integer `bin` per row and weights that broadcast to its shape give [nbins].
/// For two dimensions, reshape the histogram of bin_x * ny + bin_y to {nx, ny}. In Python: numpy.bincount(bin, weights,
/// nbins).
Expr histogram(const Operand& bin, const Operand& weights, std::size_t nbins);

/// What is spread over neighbouring bins in a soft histogram.
enum class SmoothingKernel {
  gaussian,   ///< of standard deviation `width`
  logistic,   ///< of scale `width`
  triweight,  ///< of half-width 3 * `width`, so of standard deviation `width`
};

/// A histogram whose bins x enters gradually, so that it has a gradient by x: [nbins + 1] increasing edges give
/// [nbins], the sum over all elements of x of `weights` times the part of the kernel around x between the edges.
/// Weights and width broadcast with x. The first and last edge may be infinite.
/// In Python: none.
Expr soft_histogram(const Operand& x, const Operand& edges, const Operand& width, const Operand& weights = 1.0,
                    SmoothingKernel kernel = SmoothingKernel::gaussian);

/// The same in several dimensions: values, edges and a width for each of them, soft_histogram({x, y}, {x_edges,
/// y_edges}, {0.1, 0.2}), give [x bins, y bins]. Values and weights broadcast. In Python: none.
Expr soft_histogram(const Parts& x, const Parts& edges, const Parts& width, const Operand& weights = 1.0,
                    SmoothingKernel kernel = SmoothingKernel::gaussian);

enum class Side { left, right };

/// How many elements of an increasing vector [.., n] are less than x, or with Side::right not larger: where x would be
/// put in. The axes before the last broadcast with x. It counts as a constant.
Expr searchsorted(const Operand& sorted, const Operand& x, Side side = Side::left);

/// What `interp` gives outside of the positions.
enum class Outside {
  clamp,        ///< the first or last value, as numpy.interp
  extrapolate,  ///< the line through the first or last two
  nan,
};

/// Linear interpolation at x between the points (xp, fp), where xp [n] increases, as numpy.interp: constants,
/// parameters, or per row, [rows, n]; axes before the last broadcast with x. It has a gradient by x, xp and fp. Throws
/// ExpressionError for fewer than two points and for a constant xp that does not increase.
Expr interp(const Operand& x, const Operand& xp, const Operand& fp, Outside outside = Outside::clamp);

/// Cubic spline at x through the points (xp, fp), constants [n] of which xp increases, with continuous second
/// derivatives and the not-a-knot condition at both ends (C. de Boor, A Practical Guide to Splines); a parabola through
/// three points, a line through two. With Outside::extrapolate, the first or last cubic goes on. It has a gradient by
/// x. Throws ExpressionError as interp, and for points that are no constants. In Python: scipy.interpolate.CubicSpline.
Expr interp_cubic(const Operand& x, const Operand& xp, const Operand& fp, Outside outside = Outside::clamp);

}  // namespace allgrad
