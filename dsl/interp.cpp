// interp: a composition of a search and three looked-up values: the point before x, its value, and the slope behind it,
// which does not depend on x. Derivatives by x and by the points follow from those of take.
#include "dsl/interp.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "allgrad/lookup.hpp"
#include "dsl/constant.hpp"
#include "dsl/slice.hpp"
#include "dsl/take.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// The last element of the last axis, or the first.
Expr at_end(const Expr& x, bool last) { return last ? view(x, ellipsis(), -1) : view(x, ellipsis(), 0); }

}  // namespace

void check_points(std::string_view function, const Operand& x, const Operand& xp, const Operand& fp) {
  const Shape &positions = xp.expr().shape(), &values = fp.expr().shape();
  const auto fail = [&](const std::string& why) {
    throw ExpressionError(fmt::format("{}({}, {}, {}): {}", function, to_string(x.expr().shape()), to_string(positions),
                                      to_string(values), why),
                          x.where());
  };
  if (positions.empty() || values.empty() || positions.back().is_rows() || !(positions.back() == values.back())) {
    fail("expected as many positions as values along a last axis of lanes; rows cannot be looked up");
  }
  if (positions.back().length < 2) fail("expected at least two points");
  const auto* known = as<Constant>(xp.expr());
  if (known == nullptr || positions.size() != 1) return;
  const auto& numbers = known->value().storage();
  const auto wrong = std::ranges::adjacent_find(numbers, [](double a, double b) { return !(a < b); });
  if (wrong == numbers.end()) return;
  fail(fmt::format("expected positions that increase, got {} before {} (number {}); sort the points by position",
                   *wrong, *(wrong + 1), wrong - numbers.begin()));
}

Interval interval_of(const Expr& at, const Expr& positions, SourceLocation where) {
  const std::size_t n = positions.shape().back().length;
  const Expr inner = slice_axis(positions, positions.ndim() - 1, 1, n - 2, where);
  const Expr before = searchsorted(inner, at, Side::right);  // 0 to n - 2
  return {before, at - take_last(positions, before, where)};
}

Expr with_outside(const Expr& at, const Expr& positions, const Expr& values, const Expr& inside, Outside outside) {
  if (outside == Outside::extrapolate) return inside;
  const Expr first = at_end(positions, false), last = at_end(positions, true);
  if (outside == Outside::nan) {
    return where(at < first || at > last, std::numeric_limits<double>::quiet_NaN(), inside);
  }
  return where(at < first, at_end(values, false), where(at >= last, at_end(values, true), inside));
}

Expr interp(const Operand& x, const Operand& xp, const Operand& fp, Outside outside) {
  check_points("interp", x, xp, fp);
  const NodeOrigin origin(x.where(), false);
  const Expr &at = x.expr(), &positions = xp.expr(), &values = fp.expr();
  const auto [before, distance] = interval_of(at, positions, x.where());
  const Expr slopes = diff(values) / diff(positions);
  const Expr line = take_last(values, before, x.where()) + distance * take_last(slopes, before, x.where());
  return with_outside(at, positions, values, line, outside);
}

}  // namespace allgrad
