#include "graph/shape.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "allgrad/exact.hpp"
#include "base/fingerprint.hpp"

namespace allgrad {

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (axis > 0) text += ", ";
    text += shape[axis].is_rows() ? "rows" : std::to_string(shape[axis].length);
  }
  return text + "]";
}

void add_to(Fingerprint& hash, const Shape& shape) {
  hash.add(shape.size());
  for (const Extent& extent : shape) {
    hash.add(extent.is_rows());
    if (!extent.is_rows()) hash.add(extent.length);
  }
}

std::optional<std::size_t> row_axis(const Shape& shape) {
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis].is_rows()) return axis;
  }
  return std::nullopt;
}

std::shared_ptr<const RowAxis> rows_of(const Shape& shape) {
  const auto axis = row_axis(shape);
  return axis ? shape[*axis].rows : nullptr;
}

namespace {

bool fit(const Extent& x, const Extent& y) { return x == y || x == Extent(1) || y == Extent(1); }

bool fit(const Shape& a, const Shape& b) {
  const auto [i, j] = std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend(),
                                    [](const Extent& x, const Extent& y) { return fit(x, y); });
  return i == a.rend() || j == b.rend();
}

/// How to put axes of length 1 into a value: "expand_dims(value, 1)".
std::string expanded(std::size_t axis, std::size_t count) {
  std::string text = "value";
  for (std::size_t i = 0; i < count; ++i) text = fmt::format("expand_dims({}, {})", text, axis);
  return text;
}

/// The axes from the row axis on, this among them.
std::size_t axes_from_rows(const Shape& shape) { return shape.size() - *row_axis(shape); }

std::string advice_to_expand(std::string_view purpose, const Shape& shape, std::size_t axis, std::size_t count) {
  return fmt::format("; to combine {}, give the value of shape {} a further axis: {}", purpose, to_string(shape),
                     expanded(axis, count));
}

/// What to do where the rows of a value meet an axis of another that is none of rows.
std::string advice_for_rows(const Shape& a, const Shape& b) {
  if (row_axis(a) && row_axis(b)) {
    if (rows_of(a) != rows_of(b)) return {};
    const Shape& shorter = axes_from_rows(a) < axes_from_rows(b) ? a : b;
    const std::size_t count = axes_from_rows(&shorter == &a ? b : a) - axes_from_rows(shorter);
    return advice_to_expand("them row by row", shorter, *row_axis(shorter) + 1, count);
  }
  const Shape &per_row = row_axis(a) ? a : b, &other = row_axis(a) ? b : a;
  Shape moved = other;
  moved.insert(moved.end(), axes_from_rows(per_row), Extent(1));
  if (moved.size() <= per_row.size() && fit(per_row, moved)) {
    return advice_to_expand("each row with all of it", other, other.size(), axes_from_rows(per_row));
  }
  const std::size_t count = other.size() - std::min(axes_from_rows(per_row) - 1, other.size());
  return advice_to_expand("each row with each element", per_row, *row_axis(per_row) + 1, count);
}

[[noreturn]] void refuse_broadcast(const Shape& a, const Shape& b, const Extent& x, const Extent& y) {
  std::string advice;
  if (x.is_rows() && y.is_rows()) {
    advice = fmt::format(
        "they are rows of two tables, \"{}\" and \"{}\", which cannot be mixed; put the columns into one table, or "
        "sum over the rows of one of them first, or look up rows of the other with gather(value, index)",
        x.rows->table, y.rows->table);
  } else if (x.is_rows() || y.is_rows()) {
    const Extent& number = x.is_rows() ? y : x;
    const Extent& rows = x.is_rows() ? x : y;
    advice =
        fmt::format("the rows of table \"{}\" do not align with an axis of length {}", rows.rows->table, number.length);
    advice += advice_for_rows(a, b);
    if (!row_axis(a) || !row_axis(b)) {
      advice += "; an array with a number for each row belongs into the table, as a column";
    }
  } else {
    advice =
        fmt::format("axes of lengths {} and {} do not align; axes must be equal, 1 or missing", x.length, y.length);
  }
  throw ExpressionError(fmt::format("shapes {} and {} do not broadcast: {}", to_string(a), to_string(b), advice));
}

}  // namespace

Shape broadcast(const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape result = longer;
  const std::size_t offset = longer.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    const Extent& x = longer[offset + i];
    const Extent& y = shorter[i];
    if (x == y) continue;
    const bool stretch_x = !x.is_rows() && x.length == 1;
    const bool stretch_y = !y.is_rows() && y.length == 1;
    if (!stretch_x && !stretch_y) refuse_broadcast(a, b, x, y);
    if (stretch_x) result[offset + i] = y;
  }
  return result;
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  if (from.size() > to.size()) return false;
  const std::size_t offset = to.size() - from.size();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const bool stretches = !from[i].is_rows() && from[i].length == 1;
    if (!stretches && !(from[i] == to[offset + i])) return false;
  }
  return true;
}

std::vector<std::size_t> lane_shape(const Shape& shape) {
  std::vector<std::size_t> lanes;
  for (const Extent& extent : shape) {
    if (!extent.is_rows()) lanes.push_back(extent.length);
  }
  return lanes;
}

std::size_t lane_axis(const Shape& shape, std::size_t axis) {
  return axis - (row_axis(shape).value_or(axis) < axis ? 1 : 0);
}

std::size_t num_lanes(const Shape& shape) {
  std::size_t lanes = 1;
  for (const Extent& extent : shape) lanes *= extent.is_rows() ? 1 : extent.length;
  return lanes;
}

namespace {

/// 128 TiB of doubles, the address space of a process.
constexpr std::size_t most_lanes = std::size_t{1} << 44;

/// Of a value per row, over the rows of all ranks.
constexpr std::size_t most_elements = std::size_t{1} << 60;

/// The product of the lengths, with 1 for those that are 0, since strides have to be counted all the same; nothing
/// where it is larger than `most_lanes`.
std::optional<std::size_t> bounded_product(std::span<const std::size_t> lengths) {
  std::size_t product = 1;
  for (std::size_t length : lengths) {
    if (length > most_lanes / product) return std::nullopt;
    product *= std::max(length, std::size_t{1});
  }
  return product;
}

}  // namespace

void check_size(const Shape& shape) {
  const auto num_rows = std::ranges::count_if(shape, &Extent::is_rows);
  if (num_rows > 1) {
    throw ExpressionError(
        fmt::format("a value of shape {} would have two row axes; a value per pair of rows is not "
                    "supported, sum over one of them first",
                    to_string(shape)));
  }
  const std::vector<std::size_t> lengths = lane_shape(shape);
  if (lengths.size() > max_lane_axes) {
    throw ExpressionError(
        fmt::format("a value of shape {} would have {} axes; at most {}, beside the row axis, are "
                    "supported: reshape or squeeze it before, or sum over some of them",
                    to_string(shape), lengths.size(), max_lane_axes));
  }
  const auto lanes = bounded_product(lengths);
  const bool fits = lanes && (num_rows == 0 || rows_of(shape)->total_rows <= most_elements / *lanes);
  if (fits) return;
  throw ExpressionError(fmt::format("shape {} has more elements than any memory; is a length a wrong one, or negative?",
                                    to_string(shape)));
}

bool detail::is_array_size(std::span<const std::size_t> shape) { return bounded_product(shape).has_value(); }

void detail::check_array_size(std::span<const std::size_t> shape, SourceLocation where) {
  if (is_array_size(shape)) return;
  throw ArgumentError(fmt::format("expected a shape of an array that fits into memory, got {}; is a length a wrong "
                                  "one, or negative?",
                                  to_string(Shape(shape.begin(), shape.end()))),
                      where);
}

std::size_t normalize_axis(const Position& axis, std::size_t ndim) {
  const auto count = static_cast<std::ptrdiff_t>(ndim);
  if (axis.is_too_large() || axis.value() < -count || axis.value() >= count) {
    if (ndim == 0) {
      throw ExpressionError(fmt::format("axis {} is out of bounds: a single number has no axes", axis.str()));
    }
    throw ExpressionError(fmt::format("axis {} is out of bounds; valid are {} to {}", axis.str(), -count, count - 1));
  }
  return static_cast<std::size_t>(axis.value() < 0 ? axis.value() + count : axis.value());
}

}  // namespace allgrad
