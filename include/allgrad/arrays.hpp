#pragma once

#include <initializer_list>
#include <limits>
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
Expr reduce_sum(const Expr& per_rank, SourceLocation where = SourceLocation::current());

/// A new axis of length 1, which becomes number `axis`: expand_dims(x, 1) takes [rows] to [rows, 1].
Expr expand_dims(const Operand& x, const Position& axis);

/// Removes an axis of length 1: squeeze(x, 1) takes [rows, 1] to [rows].
Expr squeeze(const Operand& x, const Position& axis);

/// The same elements in row-major order in another shape with as many. A value per row cannot be reshaped.
Expr reshape(const Operand& x, const std::vector<std::size_t>& shape);

/// The value stretched to `shape`, along axes that it lacks at the front and those of length 1.
Expr broadcast_to(const Operand& x, const Shape& shape);

/// A range of an axis: elements start, start + step, ... before stop. As in Python, negative positions count from the
/// end, and what lies outside of the axis is left out; step is at least 1.
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

/// What `view` takes along one axis: an index, which drops the axis, or a range.
class Slice {
 public:
  template <class T>
  requires std::is_integral_v<T> Slice(T index) : Slice(Position(index)) {}
  Slice(const Position& index) : range_{.start = index}, is_index_(true) {}
  Slice(const Range& range) : range_(range) {}

  bool is_index() const { return is_index_; }
  const Range& range() const { return range_; }

 private:
  Range range_;
  bool is_index_ = false;
};

/// Part of a value: an index or a range for each of the leading axes. view(x, all(), range(0, 3)) takes [rows, 11] to
/// [rows, 3], view(x, all(), -1) to [rows]. The row axis is taken whole.
Expr view(const Operand& x, const std::vector<Slice>& slices);

template <class... S>
requires(sizeof...(S) > 0 && (std::is_convertible_v<S, Slice> && ...)) Expr view(const Operand& x, const S&... slices) {
  return view(x, std::vector<Slice>{Slice(slices)...});
}

/// The n-th difference of neighbours along an axis, which becomes n shorter; not along the row axis.
Expr diff(const Operand& x, std::size_t n = 1, const Position& axis = -1);

/// Running sums along an axis, of the same shape: element i is the sum of the elements up to i, or with `reverse` from i
/// on. Not along the row axis.
Expr cumsum(const Operand& x, const Position& axis = -1, bool reverse = false);

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

/// Joins values of equal shape along a new axis, which becomes number `axis`: stack({x, y}) takes two [] to [2].
Expr stack(const Parts& parts, const Position& axis = 0);

}  // namespace allgrad
