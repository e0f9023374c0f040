#include "dsl/axes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "dsl/row_count.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

std::vector<std::size_t> normalize(const Axes& axes, std::size_t ndim) {
  std::vector<std::size_t> result;
  if (axes.all()) {
    result.resize(ndim);
    std::iota(result.begin(), result.end(), std::size_t{0});
    return result;
  }
  for (const Position& axis : axes.values()) result.push_back(normalize_axis(axis, ndim));
  std::ranges::sort(result);
  if (std::ranges::adjacent_find(result) != result.end()) {
    std::vector<std::ptrdiff_t> values;
    for (const Position& axis : axes.values()) values.push_back(axis.value());
    throw ExpressionError(fmt::format("axes {} name an axis twice; name each axis once", values));
  }
  return result;
}

}  // namespace

std::vector<std::size_t> reduced_axes(const Operand& x, const Axes& axes, std::string_view function) {
  try {
    return normalize(axes, x.expr().ndim());
  } catch (const ExpressionError& error) {
    throw ExpressionError(fmt::format("{}({}): {}", function, to_string(x.expr().shape()), error.what()), x.where());
  }
}

std::size_t chosen_lane_axis(const Operand& x, const Position& axis, std::string_view function, std::string_view why) {
  const auto fail = [&](std::string_view text) {
    throw ExpressionError(fmt::format("{}({}, {}): {}", function, to_string(x.expr().shape()), axis.str(), text),
                          x.where());
  };
  std::size_t position = 0;
  try {
    position = normalize_axis(axis, x.expr().ndim());
  } catch (const ExpressionError& error) {
    fail(error.what());
  }
  if (x.expr().shape()[position].is_rows()) fail(why);
  return position;
}

Shape with_single(Shape shape, const std::vector<std::size_t>& axes) {
  for (const std::size_t axis : axes) shape[axis] = Extent(1);
  return shape;
}

Expr num_elements(const Shape& shape, const std::vector<std::size_t>& axes, SourceLocation where) {
  double lanes = 1.0;
  Expr rows;
  for (const std::size_t axis : axes) {
    if (shape[axis].is_rows()) {
      rows = row_count(shape[axis].rows, where);
    } else {
      lanes *= static_cast<double>(shape[axis].length);
    }
  }
  if (rows.empty()) return constant(lanes, where);
  return lanes == 1.0 ? rows : multiply(Operand(lanes, where), Operand(rows, where));
}

}  // namespace allgrad
