// take: elements of an axis at computed positions, v [.., n], index [..] -> [..]; gather is a special case. Adjoint by
// v: scatter_add of the cotangent. scatter_add: x [..], index [..] -> [.., n], the sum of x at each position, partial
// where x has rows and the result has none; segment_sum and histogram are special cases. Adjoint by x: take of the
// cotangent, 0 for positions that are not there. The index has no derivative; positions that are not there give NaN,
// and are left out of sums.
#include "dsl/take.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "allgrad/lookup.hpp"
#include "dsl/axes.hpp"
#include "dsl/broadcast_to.hpp"
#include "dsl/kernel_id.hpp"
#include "dsl/reshape.hpp"
#include "dsl/take_rows.hpp"
#include "dsl/transpose.hpp"

namespace allgrad {

namespace {

Shape without_last(const Shape& shape) { return Shape(shape.begin(), shape.end() - 1); }

void require_lanes(const Shape& shape, std::string_view what) {
  if (!shape.empty() && !shape.back().is_rows()) return;
  throw ExpressionError(fmt::format("expected {}, got shape {}", what, to_string(shape)));
}

/// The order of `ndim` axes with one moved to the end.
std::vector<std::size_t> to_the_end(std::size_t ndim, std::size_t from) {
  std::vector<std::size_t> order;
  for (std::size_t axis = 0; axis < ndim; ++axis) {
    if (axis != from) order.push_back(axis);
  }
  order.push_back(from);
  return order;
}

/// An index with as many axes of length 1 behind as it is to have more.
Expr widened(const Expr& index, std::size_t more) {
  Shape shape = index.shape();
  shape.insert(shape.end(), more, Extent(1));
  return reshaped(index, shape);
}

Expr take_or(const Expr& v, const Expr& index, double outside, SourceLocation where) {
  const std::size_t length = v.shape().empty() ? 0 : v.shape().back().length;
  return make_node(std::make_shared<const Take>(length, outside), {v, index}, where);
}

}  // namespace

std::ptrdiff_t position_of(double number, double length) {
  if (!(number >= 0.0 && number < length)) return -1;
  const auto position = static_cast<std::ptrdiff_t>(number);
  return static_cast<double>(position) == number ? position : -1;
}

std::string Take::attributes() const {
  return std::isnan(length_and_outside_[1]) ? std::string() : fmt::format("outside={}", length_and_outside_[1]);
}

bool Take::is_finite(std::span<const Expr> operands) const {
  return operands[0].node()->finite && std::isfinite(length_and_outside_[1]);
}

Shape Take::infer_shape(std::span<const Expr> operands) const {
  require_lanes(operands[0].shape(), "values with a last axis of lanes to take from");
  return broadcast(without_last(operands[0].shape()), operands[1].shape());
}

Expr Take::adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const {
  if (k == 1) return {};
  const std::vector<Expr>& operands = node.node()->operands;
  return make_node(std::make_shared<const ScatterAdd>(operands[0].shape()), {cotangent, operands[1]},
                   node.node()->where);
}

Expr Take::tangent(const Expr& node, std::span<const Expr> tangents) const {
  return tangents[0].empty() ? Expr() : with_operands(node, {tangents[0], node.node()->operands[1]});
}

View Take::lower(const Node& node, Lowering& lowering) const {
  const Shape& from = node.operands[0].shape();
  View table = lowering.operand(0);
  if (!row_axis(node.shape) || row_axis(from) || table.strides.back() != 1) return CallOperator::lower(node, lowering);
  table.strides.pop_back();
  const View out = lowering.allocate(node.shape);
  lowering.emit(Kernel::take, out,
                {broadcast_view(table, without_last(from), node.shape),
                 broadcast_view(lowering.operand(1), node.operands[1].shape(), node.shape),
                 broadcast_view(lowering.external(length_and_outside_.data(), {}), {}, node.shape)},
                node.shape);
  return out;
}

void Take::call(const Node& node, const CallArguments& arguments) const {
  const CallOperand &out = arguments.out, &v = arguments.in[0], &index = arguments.in[1];
  const Shape &to = node.shape, &from = node.operands[0].shape();
  const std::ptrdiff_t step = v.strides.back();
  const auto length = static_cast<double>(from.back().length);
  const std::array<LaneStrides, 3> strides = {strides_along(out, to, to), strides_along(v, from, to, 1),
                                              strides_along(index, node.operands[1].shape(), to)};
  for_each_lane<3>(to, strides, [&](const auto& at) {
    for (std::size_t row = 0; row < arguments.num_rows; ++row) {
      const auto r = static_cast<std::ptrdiff_t>(row);
      const std::ptrdiff_t position = position_of(index.data[at[2] + r * index.row_stride], length);
      out.data[at[0] + r * out.row_stride] =
          position < 0 ? length_and_outside_[1] : v.data[at[1] + r * v.row_stride + position * step];
    }
  });
}

Shape ScatterAdd::infer_shape(std::span<const Expr> operands) const {
  require_lanes(shape_, "a last axis of lanes to add to");
  for (const Shape& shape : {without_last(shape_), operands[1].shape()}) {
    if (broadcasts_to(shape, operands[0].shape())) continue;
    throw ExpressionError(
        fmt::format("shape {} does not broadcast to {}", to_string(shape), to_string(operands[0].shape())));
  }
  return shape_;
}

Placement ScatterAdd::infer_placement(std::span<const Expr> operands, const Shape& shape) const {
  const bool over_rows = row_axis(operands[0].shape()) && !row_axis(shape);
  return over_rows ? Placement::partial : Operator::infer_placement(operands, shape);
}

Expr ScatterAdd::adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const {
  if (k == 1) return {};
  const std::vector<Expr>& operands = node.node()->operands;
  return broadcast_to(take_or(cotangent, operands[1], 0.0, node.node()->where), operands[0].shape());
}

Expr ScatterAdd::tangent(const Expr& node, std::span<const Expr> tangents) const {
  if (tangents[0].empty()) return {};
  return with_operands(node, {tangents[0], node.node()->operands[1]});
}

View ScatterAdd::lower(const Node& node, Lowering& lowering) const {
  const Shape &from = node.operands[0].shape(), &index = node.operands[1].shape();
  if (!row_axis(from) || row_axis(shape_)) return CallOperator::lower(node, lowering);
  const View sums = lowering.zeros(shape_);
  View first = sums;  // of each line of the last axis
  first.strides.pop_back();
  lowering.emit_add(Kernel::scatter_add, broadcast_view(first, without_last(shape_), from),
                    {lowering.operand(0), broadcast_view(lowering.operand(1), index, from),
                     broadcast_view(lowering.external(length_and_step_.data(), {}), {}, from)},
                    from);
  return sums;
}

void ScatterAdd::call(const Node& node, const CallArguments& arguments) const {
  for_each_scattered(node, arguments, 1, [](double* sum, double term) { *sum += term; });
}

Expr take_last(const Expr& v, const Expr& index, SourceLocation where) {
  return take_or(v, index, std::numeric_limits<double>::quiet_NaN(), where);
}

Expr take(const Operand& v, const Operand& index, const Position& axis) {
  const std::size_t at = chosen_lane_axis(v, axis, "take",
                                          "rows lie on several ranks; gather takes from a vector that "
                                          "is the same on all");
  const NodeOrigin origin(v.where(), false);
  return take_last(transposed(v.expr(), to_the_end(v.expr().ndim(), at), v.where()), index.expr(), v.where());
}

Expr gather(const Operand& v, const Operand& index) {
  const Shape &shape = v.expr().shape(), &places = index.expr().shape();
  const auto rows = row_axis(shape);
  if (shape.empty() || rows.value_or(0) != 0 || (rows && row_axis(places) != std::size_t{0})) {
    throw ExpressionError(
        fmt::format("gather({}, {}): expected an array [n, ..] that is the same on all ranks, or a value per row "
                    "[rows, ..] and an index per row [rows], of the same or of another table; take(v, index, axis) "
                    "takes along lanes",
                    to_string(shape), to_string(places)),
        v.where());
  }
  const NodeOrigin origin(v.where(), false);
  if (rows) return take_rows(v.expr(), widened(index.expr(), shape.size() - 1), v.where());
  // [n, ..] and [rows] by [.., n] and [rows, 1, ..]
  const Expr last = transposed(v.expr(), to_the_end(shape.size(), 0), v.where());
  return take_last(last, widened(index.expr(), shape.size() - 1), v.where());
}

Expr segment_sum(const Operand& x, const Operand& index, const Extent& segments) {
  const Shape &shape = x.expr().shape(), &groups = index.expr().shape();
  if (groups.size() != 1 || shape.empty() || !(shape[0] == groups[0])) {
    throw ExpressionError(
        fmt::format("segment_sum({}): expected an index of the length of the first axis of the values, got shape {}; "
                    "give every row the number of its segment",
                    to_string(shape), to_string(groups)),
        x.where());
  }
  const NodeOrigin origin(x.where(), false);
  Shape to(shape.begin() + 1, shape.end());
  if (segments.is_rows()) {
    if (!shape[0].is_rows()) {
      throw ExpressionError(
          fmt::format("segment_sum({}): expected values per row to add up in rows of table \"{}\"; values that are the "
                      "same on all ranks are added up in as many numbers, segment_sum(x, index, n)",
                      to_string(shape), segments.rows->table),
          x.where());
    }
    to.insert(to.begin(), segments);
    return scatter_rows(to, x.expr(), widened(index.expr(), shape.size() - 1), x.where());
  }
  to.push_back(segments);
  const Expr sums =
      make_node(std::make_shared<const ScatterAdd>(to), {x.expr(), widened(index.expr(), shape.size() - 1)}, x.where());
  std::vector<std::size_t> order = {shape.size() - 1};
  for (std::size_t axis = 0; axis + 1 < shape.size(); ++axis) order.push_back(axis);
  return transposed(sums, order, x.where());
}

Expr histogram(const Operand& bin, const Operand& weights, std::size_t nbins) {
  const NodeOrigin origin(bin.where(), false);
  const Expr whole = broadcast_to(weights, bin.expr().shape());
  return make_node(std::make_shared<const ScatterAdd>(Shape{nbins}), {whole, bin.expr()}, bin.where());
}

}  // namespace allgrad
