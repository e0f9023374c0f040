#pragma once

#include <string_view>
#include <vector>

#include "allgrad/arrays.hpp"

namespace allgrad {

/// The axes that a function of the user's reduces, counted from 0, sorted. Throws ExpressionError with the user's line
/// and the function's name.
std::vector<std::size_t> reduced_axes(const Operand& x, const Axes& axes, std::string_view function);

/// An axis of lanes, counted from 0. Throws ExpressionError as above, for the row axis with `why` it cannot be.
std::size_t chosen_lane_axis(const Operand& x, const Position& axis, std::string_view function, std::string_view why);

/// The shape with length 1 along some axes.
Shape with_single(Shape shape, const std::vector<std::size_t>& axes);

/// The number of elements along some axes, over all ranks [].
Expr num_elements(const Shape& shape, const std::vector<std::size_t>& axes, SourceLocation where);

}  // namespace allgrad
