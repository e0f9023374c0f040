#pragma once

#include "allgrad/arrays.hpp"

namespace allgrad {

// Reductions beside sum and mean, as named in NumPy, SciPy or xtensor. All take the axes to reduce, by default all of
// them, which the result lacks. Over a row axis they are over all rows of all ranks. All throw ExpressionError for axes
// that do not fit, and for an empty Expr.

/// Product over axes of lanes, 1 over none. Throws ExpressionError for the row axis.
Expr prod(const Operand& x, const Axes& axes = {});

/// Variance, the mean of the squared distances from the mean, in two passes, so that values far from 0 do not cancel.
/// The sum of squares is divided by the number of elements less `ddof`; NaN where there are none.
Expr var(const Operand& x, const Axes& axes = {}, double ddof = 0.0);

/// Standard deviation, the root of `var`.
/// In Python: numpy.std.
Expr stddev(const Operand& x, const Axes& axes = {}, double ddof = 0.0);

/// Weighted mean, sum(x * weights) / sum(weights). The weights broadcast to the shape of x. Beside an xtensor array, it
/// has to be written allgrad::average, since xtensor's would match, too.
Expr average(const Operand& x, const Operand& weights, const Axes& axes = {});

/// The largest element, NaN where one is NaN. The gradient goes to the elements that reach it, shared by equal ones.
/// Throws ExpressionError over an axis without elements.
Expr amax(const Operand& x, const Axes& axes = {});

/// The smallest element, as amax.
Expr amin(const Operand& x, const Axes& axes = {});

/// Position of the first largest element along an axis of lanes, of the first NaN where there is one. It has no
/// gradient: it counts as a constant.
Expr argmax(const Operand& x, const Position& axis = -1);

/// Position of the first smallest element along an axis of lanes, as argmax.
Expr argmin(const Operand& x, const Position& axis = -1);

/// log(sum(exp(x))), without overflow or underflow: the maximum is subtracted first. -inf over no elements.
/// In Python: scipy.special.logsumexp.
Expr logsumexp(const Operand& x, const Axes& axes = {});

/// exp(x) / sum(exp(x)), of the shape of x, without overflow or underflow.
/// In Python: scipy.special.softmax.
Expr softmax(const Operand& x, const Axes& axes = {});

/// log(softmax(x)), exact for small probabilities too.
/// In Python: scipy.special.log_softmax.
Expr log_softmax(const Operand& x, const Axes& axes = {});

/// Sum of absolute values.
/// In Python: numpy.linalg.norm(x, 1).
Expr norm_l1(const Operand& x, const Axes& axes = {});

/// Euclidean norm, the root of the sum of squares.
/// In Python: numpy.linalg.norm(x).
Expr norm_l2(const Operand& x, const Axes& axes = {});

/// Number of elements that are not 0; NaN counts. It has the derivative 0, as `all` and `any`.
Expr count_nonzero(const Operand& x, const Axes& axes = {});

/// 1 where no element is 0, else 0.
Expr all(const Operand& x, const Axes& axes = {});

/// 1 where an element is not 0, else 0.
Expr any(const Operand& x, const Axes& axes = {});

}  // namespace allgrad
