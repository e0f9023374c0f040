#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "allgrad/position.hpp"
#include "allgrad/shape.hpp"

namespace allgrad {

/// Axes by number.
using AxisList = std::vector<std::size_t>;

class Fingerprint;

/// Adds the lengths of the axes to the hash; all row axes count as one.
void add_to(Fingerprint& hash, const Shape& shape);

/// Position of the row axis, if there is one.
std::optional<std::size_t> row_axis(const Shape& shape);

/// The rows of the shape's row axis; null where there is none.
std::shared_ptr<const RowAxis> rows_of(const Shape& shape);

/// Broadcasts as xtensor does: axes align from the last, and a missing axis or a literal 1 stretches. A row axis aligns
/// only with the row axis of the same table, a missing axis or a 1. Throws ExpressionError otherwise.
Shape broadcast(const Shape& a, const Shape& b);

/// True where a value of shape `from` broadcasts to exactly `to`.
bool broadcasts_to(const Shape& from, const Shape& to);

/// The lengths of all axes but the row axis: the lanes that a value has in each row.
std::vector<std::size_t> lane_shape(const Shape& shape);

/// Position among the lanes of an axis that is not the row axis.
std::size_t lane_axis(const Shape& shape, std::size_t axis);

/// Number of lanes: the product of lane_shape.
std::size_t num_lanes(const Shape& shape);

/// How many axes a value can have beside the row axis.
inline constexpr std::size_t max_lane_axes = 16;

/// Throws ExpressionError for a shape that no value can have: one of more elements than there is memory for anywhere,
/// whose number might overflow, one of two row axes or of too many others. All other shapes can be counted in bytes and
/// strides.
void check_size(const Shape& shape);

/// `axis` counted from 0; negative axes count from the end. Throws ExpressionError where it is out of bounds for
/// `ndim` axes.
std::size_t normalize_axis(const Position& axis, std::size_t ndim);

}  // namespace allgrad
