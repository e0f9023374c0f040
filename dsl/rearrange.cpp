// flip, roll, tile, repeat and pad: compositions of slices, joins and changes of shape.
#include <fmt/format.h>

#include "allgrad/arrays.hpp"
#include "allgrad/error.hpp"
#include "dsl/axes.hpp"
#include "dsl/broadcast_to.hpp"
#include "dsl/concatenate.hpp"
#include "dsl/reshape.hpp"
#include "dsl/slice.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

constexpr std::string_view no_order = "rows have no order; choose an axis of lanes";

/// Stretched along a new axis of length `times` at `place`, which then becomes one with the axis behind or before it.
Expr stretched(const Operand& x, std::size_t times, std::size_t axis, std::size_t place, std::string_view function) {
  const NodeOrigin origin(x.where(), false);
  Shape shape = x.expr().shape();
  try {
    check_size({shape[axis], times});
  } catch (const ExpressionError& error) {
    throw ExpressionError(fmt::format("{}({}, {}): {}", function, to_string(shape), times, error.what()), x.where());
  }
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(place), Extent(1));
  const Expr single = reshaped(x, shape);
  shape[place] = Extent(times);
  const Expr whole = broadcast_to(single, shape);
  shape = x.expr().shape();
  shape[axis] = Extent(shape[axis].length * times);
  return reshaped(whole, shape);
}

}  // namespace

Expr flip(const Operand& x, const Axes& axes) {
  const Shape& shape = x.expr().shape();
  Expr result = x.expr();
  for (const std::size_t axis : reduced_axes(x, axes, "flip")) {
    if (shape[axis].is_rows()) {
      if (axes.all()) continue;
      throw ExpressionError(fmt::format("flip({}): {}", to_string(shape), no_order), x.where());
    }
    const std::size_t length = shape[axis].length;
    if (length < 2) continue;
    result = make_node(std::make_shared<const SliceAxis>(AxisSlice{axis, length - 1, -1, length, length, false}),
                       {result}, x.where());
  }
  return result;
}

Expr roll(const Operand& x, const Position& shift, const Position& axis) {
  const std::size_t at = chosen_lane_axis(x, axis, "roll", no_order);
  if (shift.is_too_large()) {
    throw ExpressionError(fmt::format("roll({}): expected a shift below 2^63, got {}; use signed integers",
                                      to_string(x.expr().shape()), shift.str()),
                          x.where());
  }
  const auto length = static_cast<std::ptrdiff_t>(x.expr().shape()[at].length);
  if (length == 0) return x.expr();
  const auto places = static_cast<std::size_t>((shift.value() % length + length) % length);
  if (places == 0) return x.expr();
  const std::size_t rest = static_cast<std::size_t>(length) - places;
  return concatenate_axis(
      {slice_axis(x.expr(), at, rest, places, x.where()), slice_axis(x.expr(), at, 0, rest, x.where())}, at, x.where());
}

Expr tile(const Operand& x, std::size_t times, const Position& axis) {
  const std::size_t at = chosen_lane_axis(x, axis, "tile", no_order);
  return stretched(x, times, at, at, "tile");
}

Expr repeat(const Operand& x, std::size_t times, const Position& axis) {
  const std::size_t at = chosen_lane_axis(x, axis, "repeat", no_order);
  return stretched(x, times, at, at + 1, "repeat");
}

Expr pad(const Operand& x, std::size_t before, std::size_t after, const Position& axis, const Operand& value) {
  const std::size_t at = chosen_lane_axis(x, axis, "pad", "rows have no order, and belong to a table");
  if (value.expr().ndim() != 0) {
    throw ExpressionError(fmt::format("pad({}): expected one number to pad with, shape [], got shape {}",
                                      to_string(x.expr().shape()), to_string(value.expr().shape())),
                          x.where());
  }
  const NodeOrigin origin(x.where(), false);
  std::vector<Expr> parts;
  const auto add_padding = [&](std::size_t count) {
    Shape shape = x.expr().shape();
    shape[at] = Extent(count);
    if (count > 0) parts.push_back(broadcast_to(value, shape));
  };
  add_padding(before);
  parts.push_back(x.expr());
  add_padding(after);
  return concatenate_axis(std::move(parts), at, x.where());
}

}  // namespace allgrad
