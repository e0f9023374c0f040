// reshape: the same elements in row-major order with other axes; expand_dims and squeeze are special cases. A row axis
// stays where it is among the elements. Adjoint: the cotangent, reshaped back. Executed as a view where possible.
#include "dsl/reshape.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>

#include "allgrad/arrays.hpp"
#include "allgrad/error.hpp"
#include "dsl/kernel_id.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// Number of lanes before and behind the row axis; without one, all are before it.
std::pair<std::size_t, std::size_t> lanes_around_rows(const Shape& shape) {
  std::size_t before = 1, behind = 1;
  bool seen_rows = false;
  for (const Extent& extent : shape) {
    if (extent.is_rows()) {
      seen_rows = true;
    } else {
      (seen_rows ? behind : before) *= extent.length;
    }
  }
  return {before, behind};
}

/// The view with other axes where only axes of length 1 come or go, or where it is row-major; nothing where the
/// elements have to move.
std::optional<View> reshape_view(const View& view, const std::vector<std::size_t>& from,
                                 const std::vector<std::size_t>& to) {
  std::vector<std::size_t> lengths;  // of the axes longer than 1, with their strides
  std::vector<std::ptrdiff_t> strides;
  for (std::size_t axis = 0; axis < from.size(); ++axis) {
    if (from[axis] == 1) continue;
    lengths.push_back(from[axis]);
    strides.push_back(view.strides[axis]);
  }
  if (strides == row_major_strides(lengths)) return View{view.buffer, view.offset, row_major_strides(to)};

  View result{view.buffer, view.offset, {}};
  std::size_t next = 0;
  for (std::size_t length : to) {
    if (length == 1) {
      result.strides.push_back(0);
    } else if (next < lengths.size() && lengths[next] == length) {
      result.strides.push_back(strides[next++]);
    } else {
      return std::nullopt;
    }
  }
  return result;
}

/// The shape that lengths stand for; -1 for the row axis of `from` where they do not name it.
Shape resolved(const Lengths& lengths, const Shape& from) {
  Shape shape;
  std::optional<std::size_t> open;  // the axis of length -1
  std::size_t known = 1;
  for (const Length& length : lengths.values()) {
    const Position& number = length.number();
    if (length.rows() == nullptr && number == Position(-1)) {
      if (open) throw ExpressionError("expected at most one length -1, got two; one alone follows from the others");
      open = shape.size();
      shape.emplace_back(1);
      continue;
    }
    if (length.rows() == nullptr && number.value() < 0 && !number.is_too_large()) {
      throw ExpressionError(fmt::format("expected lengths of at least 0, or -1, got {}", number.str()));
    }
    shape.push_back(length.rows() != nullptr ? Extent(length.rows())
                                             : Extent(static_cast<std::size_t>(number.value())));
    if (length.rows() == nullptr) known *= shape.back().length;
  }
  if (!open) return shape;
  if (rows_of(from) != nullptr && rows_of(shape) == nullptr) {
    shape[*open] = Extent(rows_of(from));
  } else if (known == 0 || num_lanes(from) % known != 0) {
    throw ExpressionError(fmt::format("{} elements{} do not fill axes of {} elements, so that -1 stands for no length",
                                      num_lanes(from), rows_of(from) ? " per row" : "", known));
  } else {
    shape[*open] = Extent(num_lanes(from) / known);
  }
  return shape;
}

}  // namespace

Shape Reshape::infer_shape(std::span<const Expr> operands) const {
  check_size(shape_);  // before its elements are counted
  const Shape& from = operands[0].shape();
  if (rows_of(from) != rows_of(shape_) || lanes_around_rows(from) != lanes_around_rows(shape_)) {
    throw ExpressionError(fmt::format("shape {} cannot become {}; the number of elements must stay the same{}",
                                      to_string(from), to_string(shape_),
                                      rows_of(from) ? ", and the row axis must stay as it is; -1 stands for it" : ""));
  }
  return shape_;
}

Expr Reshape::adjoint(const Expr& node, const Expr& cotangent, std::size_t) const {
  return reshaped(cotangent, node.node()->operands[0].shape());
}

Array Reshape::evaluate(const Node& node, std::span<const Array* const> operands, Evaluation&) const {
  Array result = *operands[0];
  result.reshape(local_shape(node.shape));
  return result;
}

View Reshape::lower(const Node& node, Lowering& lowering) const {
  const Shape& from = node.operands[0].shape();
  const auto from_lanes = lane_shape(from), to_lanes = lane_shape(node.shape);
  if (auto view = reshape_view(lowering.operand(0), from_lanes, to_lanes)) return *view;
  const View out = lowering.allocate(from);
  lowering.emit(Kernel::copy, out, {lowering.operand(0)}, from);
  return *reshape_view(out, from_lanes, to_lanes);
}

Expr reshaped(const Operand& x, const Shape& shape) {
  if (x.expr().shape() == shape) return x.expr();
  return make_node(std::make_shared<const Reshape>(shape), {x.expr()}, x.where());
}

Expr reshape(const Operand& x, const Lengths& lengths) {
  const Shape& from = x.expr().shape();
  try {
    return reshaped(x, resolved(lengths, from));
  } catch (const ExpressionError& error) {
    if (error.where().known()) throw;
    throw ExpressionError(fmt::format("reshape({}): {}", to_string(from), error.what()), x.where());
  }
}

Expr ravel(const Operand& x) {
  if (row_axis(x.expr().shape())) {
    throw ExpressionError(fmt::format("ravel({}): rows have no order, so a value per row is no vector; "
                                      "reshape(x, {{-1, lanes}}) makes one of the lanes of each row",
                                      to_string(x.expr().shape())),
                          x.where());
  }
  return reshape(x, {-1});
}

Expr expand_dims(const Operand& x, const Position& axis) {
  Shape shape = x.expr().shape();
  try {
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(normalize_axis(axis, shape.size() + 1)), Extent(1));
  } catch (const ExpressionError& error) {
    throw ExpressionError(fmt::format("expand_dims({}, {}): {}", to_string(shape), axis.str(), error.what()),
                          x.where());
  }
  return reshaped(x, shape);
}

Expr squeeze(const Operand& x, const Position& axis) {
  Shape shape = x.expr().shape();
  try {
    const std::size_t position = normalize_axis(axis, shape.size());
    if (!(shape[position] == Extent(1))) {
      throw ExpressionError(fmt::format(
          "expected an axis of length 1, got {}",
          shape[position].is_rows() ? "the row axis" : fmt::format("one of length {}", shape[position].length)));
    }
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(position));
  } catch (const ExpressionError& error) {
    throw ExpressionError(fmt::format("squeeze({}, {}): {}", to_string(shape), axis.str(), error.what()), x.where());
  }
  return reshaped(x, shape);
}

}  // namespace allgrad
