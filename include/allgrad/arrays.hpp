#pragma once

#include <initializer_list>
#include <limits>
#include <memory>
#include <type_traits>
#include <vector>

#include "allgrad/expr.hpp"

namespace allgrad {

// Functions that reduce arrays, change their shape or pick parts of them, as named in xtensor. Axes may be negative and
// then count from the end. All throw ExpressionError for axes or shapes that do not fit, and for an empty Expr.

/// The axes of a reduction: one, as in sum(x, 0); several in braces, as in sum(x, {0, 2}); all of them where left out.
class Axes {
 public:
  Axes() : all_(true) {}
  template <class T>
  requires std::is_integral_v<T> Axes(T axis) : values_{axis} {}
  Axes(std::initializer_list<Position> axes) : values_(axes) {}

  bool all() const { return all_; }
  const std::vector<Position>& values() const { return values_; }

 private:
  std::vector<Position> values_;
  bool all_ = false;
};

/// Sum over the axes, which the result lacks: sum(x, 0) takes [rows, 11] to [11]. Over a row axis it is the sum over
/// all rows of all ranks, 0 where there are none.
Expr sum(const Operand& x, const Axes& axes = {});

/// Mean over the axes, which the result lacks. Over a row axis it is the mean over all rows of all ranks, NaN where
/// there are none.
Expr mean(const Operand& x, const Axes& axes = {});

/// Sum over all ranks of a value that each rank has of its own, of the same shape: what `rank_constant` gives and what
/// is computed from it. Throws ExpressionError for any other value; these need no sum over ranks.
/// In Python: none.
Expr reduce_sum(const Expr& per_rank, SourceLocation where = SourceLocation::current());

/// A new axis of length 1, which becomes number `axis`: expand_dims(x, 1) takes [rows] to [rows, 1].
Expr expand_dims(const Operand& x, const Position& axis);

/// Removes an axis of length 1: squeeze(x, 1) takes [rows, 1] to [rows].
Expr squeeze(const Operand& x, const Position& axis);

/// The length of an axis in a new shape: a number; -1, which stands for what the other lengths leave; or the row axis
/// of a table, as in x.shape()[0].
class Length {
 public:
  template <class T>
  requires std::is_integral_v<T> Length(T number) : number_(number) {}
  Length(const Extent& extent) : number_(extent.length), rows_(extent.rows) {}

  const Position& number() const { return number_; }
  const std::shared_ptr<const RowAxis>& rows() const { return rows_; }

 private:
  Position number_;
  std::shared_ptr<const RowAxis> rows_;
};

/// A new shape: lengths in braces, as in reshape(x, {2, -1}), or a vector of them.
class Lengths {
 public:
  Lengths(std::initializer_list<Length> lengths) : values_(lengths) {}
  Lengths(const std::vector<std::size_t>& lengths) : values_(lengths.begin(), lengths.end()) {}
  Lengths(const Shape& shape) : values_(shape.begin(), shape.end()) {}

  const std::vector<Length>& values() const { return values_; }

 private:
  std::vector<Length> values_;
};

/// The same elements in row-major order in another shape with as many. Of a value per row, lanes do not cross the row
/// axis, for which -1 stands where it is not named: reshape(x, {-1, 2, 3}) takes [rows, 6] to [rows, 2, 3].
Expr reshape(const Operand& x, const Lengths& shape);

/// All elements in row-major order as a vector; not of a value per row.
Expr ravel(const Operand& x);

/// The axes in another order, by default the reverse one: axis i of the result is axis axes[i] of x, the row axis too.
Expr transpose(const Operand& x, const Axes& axes = {});

/// Two axes change places.
Expr swapaxes(const Operand& x, const Position& axis1, const Position& axis2);

/// One axis moves to another place; the others keep their order.
Expr moveaxis(const Operand& x, const Position& source, const Position& destination);

/// The value stretched to `shape`, along axes that it lacks at the front and those of length 1.
Expr broadcast_to(const Operand& x, const Shape& shape);

/// A range of an axis: elements start, start + step, ... before stop. As in Python, negative positions count from the
/// end, and what lies outside of the axis is left out. A negative step goes backwards; `end` is the last element as a
/// start and the end of the way as a stop, so that range(Range::end, Range::end, -1) reverses an axis.
struct Range {
  static constexpr std::ptrdiff_t end = std::numeric_limits<std::ptrdiff_t>::max();
  Position start = 0;
  Position stop = end;
  Position step = 1;

  friend bool operator==(const Range&, const Range&) = default;
};

inline Range range(const Position& start, const Position& stop, const Position& step = 1) {
  return {start, stop, step};
}
inline Range all() { return {}; }

/// In a view, as many axes taken whole as the other slices leave.
struct Ellipsis {};
inline Ellipsis ellipsis() { return {}; }

/// In a view, a new axis of length 1.
struct NewAxis {};
inline NewAxis newaxis() { return {}; }

/// What `view` takes along one axis: an index, which drops the axis, or a range; or ellipsis() or newaxis().
class Slice {
 public:
  enum class Kind { index, range, ellipsis, newaxis };

  template <class T>
  requires std::is_integral_v<T> Slice(T index) : Slice(Position(index)) {}
  Slice(const Position& index) : range_{.start = index}, kind_(Kind::index) {}
  Slice(const Range& range) : range_(range) {}
  Slice(Ellipsis) : kind_(Kind::ellipsis) {}
  Slice(NewAxis) : kind_(Kind::newaxis) {}

  Kind kind() const { return kind_; }
  const Range& range() const { return range_; }

 private:
  Range range_;
  Kind kind_ = Kind::range;
};

/// Part of a value: an index or a range for each of the leading axes, or, behind an ellipsis(), for the last ones.
/// view(x, all(), range(0, 3)) takes [rows, 11] to [rows, 3], view(x, ellipsis(), -1) to [rows], and
/// view(x, all(), newaxis()) to [rows, 1, 11]. The row axis is taken whole.
/// In Python: x[...].
Expr view(const Operand& x, const std::vector<Slice>& slices);

template <class... S>
requires(sizeof...(S) > 0 && (std::is_convertible_v<S, Slice> && ...)) Expr view(const Operand& x, const S&... slices) {
  return view(x, std::vector<Slice>{Slice(slices)...});
}

/// The n-th difference of neighbours along an axis, which becomes n shorter; not along the row axis.
Expr diff(const Operand& x, std::size_t n = 1, const Position& axis = -1);

/// Running sums along an axis, of the same shape: element i is the sum of the elements up to i, or with `reverse` from
/// i on. Not along the row axis.
Expr cumsum(const Operand& x, const Position& axis = -1, bool reverse = false);

/// The product of the elements up to each, or with `reverse` from each on, along an axis; not along the row axis.
Expr cumprod(const Operand& x, const Position& axis = -1, bool reverse = false);

/// Integral of y over x by the trapezoidal rule along an axis, which the result lacks; not along the row axis. `x` are
/// the positions, increasing or not, [n] or of the shape of y, or a number [], the distance of all neighbours.
Expr trapezoid(const Operand& y, const Operand& x = 1.0, const Position& axis = -1);

/// The integrals up to each element but the first, by the trapezoidal rule: the axis becomes 1 shorter. `x` as above.
/// In Python: scipy.integrate.cumulative_trapezoid.
Expr cumulative_trapezoid(const Operand& y, const Operand& x = 1.0, const Position& axis = -1);

/// Integral of y over x by Simpson's rule, `x` as above. With an even number of elements, the last interval is
/// integrated under the parabola through the last three (Cartwright 2017, as in SciPy since 1.11).
/// In Python: scipy.integrate.simpson.
Expr simpson(const Operand& y, const Operand& x = 1.0, const Position& axis = -1);

/// The elements of an axis, or of all but the row axis, in reverse order.
Expr flip(const Operand& x, const Axes& axes = {});

/// The elements of an axis moved on by `shift` places, those at its end to its beginning; not along the row axis.
Expr roll(const Operand& x, const Position& shift, const Position& axis = -1);

/// The whole of an axis `times` times, one after the other: [n] to [times * n]; not along the row axis.
Expr tile(const Operand& x, std::size_t times, const Position& axis = -1);

/// Each element of an axis `times` times: [n] to [n * times]; not along the row axis.
Expr repeat(const Operand& x, std::size_t times, const Position& axis = -1);

/// `before` and `after` elements more along an axis, all equal to `value`; not along the row axis.
Expr pad(const Operand& x, std::size_t before, std::size_t after, const Position& axis = -1,
         const Operand& value = 0.0);

/// The same value, which derivatives take for a constant.
/// In Python: jax.lax.stop_gradient.
Expr stop_gradient(const Operand& x);

/// The same value per row, which is computed once, when a graph with it is compiled first, and kept in memory: for what
/// is costly and depends on neither parameters nor random keys. Throws ExpressionError where it does.
/// In Python: none.
Expr store(const Operand& x);

/// The values to join: in braces, as in concatenate({x, y}), or a vector of Expr.
class Parts {
 public:
  Parts(std::initializer_list<Operand> values, SourceLocation where = SourceLocation::current())
      : values_(values), where_(where) {}
  Parts(const std::vector<Expr>& values, SourceLocation where = SourceLocation::current());

  const std::vector<Operand>& values() const { return values_; }
  const SourceLocation& where() const { return where_; }

 private:
  std::vector<Operand> values_;
  SourceLocation where_;
};

/// Joins values along an axis that they all have; the other axes are equal. concatenate({x, y}) takes [2] and [3] to
/// [5]. Not along the row axis.
Expr concatenate(const Parts& parts, const Position& axis = 0);

/// The same of two or more values along axis 0, without braces.
template <class... More>
requires(std::convertible_to<const More&, Operand>&&...) Expr
    concatenate(const Operand& first, const Operand& second, const More&... more) {
  return concatenate(Parts({first, second, Operand(more)...}, first.where()), 0);
}

/// Joins values of equal shape along a new axis, which becomes number `axis`: stack({x, y}) takes two [] to [2].
Expr stack(const Parts& parts, const Position& axis = 0);

/// The same of two or more values along a new axis 0, without braces.
template <class... More>
requires(std::convertible_to<const More&, Operand>&&...) Expr
    stack(const Operand& first, const Operand& second, const More&... more) {
  return stack(Parts({first, second, Operand(more)...}, first.where()), 0);
}

}  // namespace allgrad
