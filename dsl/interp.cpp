// interp: a composition of a search and three looked-up values: the point before x, its value, and the slope behind it,
// which does not depend on x. Derivatives by x and by the points follow from those of take.
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

void check_points(const Operand& x, const Operand& xp, const Operand& fp) {
  const Shape &positions = xp.expr().shape(), &values = fp.expr().shape();
  const auto fail = [&](const std::string& why) {
    throw ExpressionError(fmt::format("interp({}, {}, {}): {}", to_string(x.expr().shape()), to_string(positions),
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

/// The last element of the last axis, or the first.
Expr at_end(const Expr& x, bool last) { return last ? view(x, ellipsis(), -1) : view(x, ellipsis(), 0); }

}  // namespace

Expr interp(const Operand& x, const Operand& xp, const Operand& fp, Outside outside) {
  check_points(x, xp, fp);
  const NodeOrigin origin(x.where(), false);
  const Expr &at = x.expr(), &positions = xp.expr(), &values = fp.expr();
  const std::size_t n = positions.shape().back().length;
  const auto taken = [&](const Expr& v, const Expr& index) { return take_last(v, index, x.where()); };

  const Expr inner = slice_axis(positions, positions.ndim() - 1, 1, n - 2, x.where());
  const Expr before = searchsorted(inner, at, Side::right);  // 0 to n - 2
  const Expr slopes = diff(values) / diff(positions);
  const Expr line = taken(values, before) + (at - taken(positions, before)) * taken(slopes, before);
  if (outside == Outside::extrapolate) return line;

  const Expr first = at_end(positions, false), last = at_end(positions, true);
  if (outside == Outside::nan) {
    return where(at < first || at > last, std::numeric_limits<double>::quiet_NaN(), line);
  }
  return where(at < first, at_end(values, false), where(at >= last, at_end(values, true), line));
}

}  // namespace allgrad
