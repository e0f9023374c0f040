// concatenate: joins values along an axis; stack: along a new axis. Adjoint: the operand's slice of the cotangent.
#include "dsl/concatenate.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "allgrad/arrays.hpp"
#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "dsl/kernel_id.hpp"
#include "dsl/slice.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// Position of operand k along the axis.
std::size_t start_of(std::span<const Expr> operands, std::size_t axis, std::size_t k) {
  std::size_t start = 0;
  for (std::size_t i = 0; i < k; ++i) start += operands[i].shape()[axis].length;
  return start;
}

std::vector<Expr> operand_exprs(const Parts& parts, std::string_view function) {
  if (parts.values().empty()) {
    throw ExpressionError(fmt::format("{}: expected at least one value, got none", function), parts.where());
  }
  std::vector<Expr> exprs;
  for (const Operand& part : parts.values()) exprs.push_back(part.expr());
  return exprs;
}

}  // namespace

std::string Concatenate::attributes() const { return fmt::format("axis={}", axis_); }

void Concatenate::identify(Fingerprint& hash) const { hash.add(axis_); }

Shape Concatenate::infer_shape(std::span<const Expr> operands) const {
  Shape shape = operands[0].shape();
  if (shape[axis_].is_rows())
    throw ExpressionError("values cannot be joined along the row axis; rows belong to a table");
  std::size_t length = 0;
  for (const Expr& operand : operands) {
    Shape other = operand.shape();
    if (other.size() == shape.size() && !other[axis_].is_rows()) {
      check_size({length});  // before it overflows
      length += other[axis_].length;
      other[axis_] = shape[axis_];
    }
    if (other != shape) {
      throw ExpressionError(
          fmt::format("shapes {} and {} differ in more than axis {}; all other axes must be equal, use "
                      "broadcast_to where one is to be repeated",
                      to_string(operands[0].shape()), to_string(operand.shape()), axis_));
    }
  }
  shape[axis_] = Extent(length);
  return shape;
}

Expr Concatenate::adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const {
  const std::vector<Expr>& operands = node.node()->operands;
  return slice_axis(cotangent, axis_, start_of(operands, axis_, k), operands[k].shape()[axis_].length,
                    node.node()->where);
}

Array Concatenate::evaluate(const Node& node, std::span<const Array* const> operands, Evaluation&) const {
  Array result = Array::from_shape(local_shape(node.shape));
  std::size_t start = 0;
  for (const Array* part : operands) {
    const AxisSlice slice{axis_, start, 1, part->shape()[axis_], result.shape()[axis_]};
    for_each_run(slice, result.shape(), [&](std::size_t in_result, std::size_t in_part, std::size_t length) {
      std::copy_n(part->data() + in_part, length, result.data() + in_result);
    });
    start += slice.count;
  }
  return result;
}

View Concatenate::lower(const Node& node, Lowering& lowering) const {
  const View out = lowering.allocate(node.shape);
  const std::size_t lane = lane_axis(node.shape, axis_);
  View part = out;
  for (std::size_t k = 0; k < node.operands.size(); ++k) {
    const Shape& shape = node.operands[k].shape();
    lowering.emit(Kernel::copy, part, {lowering.operand(k)}, shape);
    part.offset += static_cast<std::size_t>(out.strides[lane]) * shape[axis_].length;
  }
  return out;
}

Expr concatenate_axis(std::vector<Expr> parts, std::size_t axis, SourceLocation where) {
  if (parts.size() == 1) return parts[0];
  return make_node(std::make_shared<const Concatenate>(axis), std::move(parts), where);
}

Parts::Parts(const std::vector<Expr>& values, SourceLocation where) : where_(where) {
  for (const Expr& value : values) values_.emplace_back(value, where);
}

Expr concatenate(const Parts& parts, const Position& axis) {
  std::vector<Expr> exprs = operand_exprs(parts, "concatenate");
  const SourceLocation& where = parts.values()[0].where();
  std::size_t position = 0;
  try {
    position = normalize_axis(axis, exprs[0].ndim());
  } catch (const ExpressionError& error) {
    throw ExpressionError(fmt::format("concatenate of values of shape {}: {}{}", to_string(exprs[0].shape()),
                                      error.what(), exprs[0].ndim() == 0 ? "; use stack to join numbers" : ""),
                          where);
  }
  return concatenate_axis(std::move(exprs), position, where);
}

Expr stack(const Parts& parts, const Position& axis) {
  std::vector<Expr> exprs = operand_exprs(parts, "stack");
  const std::vector<Operand>& values = parts.values();
  const Shape shape = exprs[0].shape();
  for (std::size_t k = 0; k < exprs.size(); ++k) {
    if (exprs[k].shape() != shape) {
      throw ExpressionError(
          fmt::format("stack: shapes {} and {} differ; all must be equal, use broadcast_to where one is "
                      "to be repeated",
                      to_string(shape), to_string(exprs[k].shape())),
          values[k].where());
    }
    exprs[k] = expand_dims(values[k], axis);
  }
  return concatenate_axis(std::move(exprs), normalize_axis(axis, shape.size() + 1), values[0].where());
}

}  // namespace allgrad
