// amax and amin over rows: each rank's largest and how many rows reach it travel to all ranks, as a sum of arrays with
// a place for each rank; the largest of these is the result. Adjoint: to the rows that reach it on all ranks, in equal
// shares.
#include "dsl/row_extremum.hpp"

#include "allgrad/elementwise.hpp"
#include "base/finite.hpp"
#include "dsl/axes.hpp"
#include "dsl/collectives.hpp"
#include "dsl/concatenate.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/extremum.hpp"
#include "dsl/reshape.hpp"
#include "dsl/slice.hpp"
#include "dsl/sum.hpp"

namespace allgrad {

namespace {

Shape with_first(Shape shape, const Extent& extent) {
  shape.insert(shape.begin(), extent);
  return shape;
}

Expr element(const Expr& x, std::size_t axis, std::size_t i) {
  const AxisSlice slice{axis, i, 1, 1, x.shape()[axis].length, true};
  return make_node(std::make_shared<const SliceAxis>(slice), {x}, x.node()->where);
}

/// Of the two elements of the first axis, with length 1 for the rows of x.
Expr element_beside(const Expr& pair, std::size_t i, const Expr& x) {
  return reshaped(element(pair, 0, i), with_single(x.shape(), {*row_axis(x.shape())}));
}

}  // namespace

Shape RowExtremum::infer_shape(std::span<const Expr> operands) const {
  Shape shape = operands[0].shape();
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(row_axis(shape).value()));
  return with_first(shape, 2);
}

/// Which rows reach the largest of their rank: of its change each has one of the shares that Extremum counts.
Expr RowExtremum::reaches(const Expr& node) const {
  const Expr& x = node.node()->operands[0];
  return equal(x, element_beside(node, 1, x));
}

Expr RowExtremum::adjoint(const Expr& node, const Expr& cotangent, std::size_t) const {
  return chain(element_beside(cotangent, 1, node.node()->operands[0]), reaches(node));
}

Expr RowExtremum::tangent(const Expr& node, std::span<const Expr> tangents) const {
  const Expr& x = node.node()->operands[0];
  const Expr change = sum_over(chain(tangents[0], reaches(node)), {*row_axis(x.shape())}, node.node()->where);
  const Expr own = reshaped(as_placement(change, Placement::per_rank), with_first(change.shape(), 1));
  return concatenate_axis({0.0 * own, own}, 0, node.node()->where);
}

void RowExtremum::call(const Node& node, const CallArguments& arguments) const {
  const Shape& from = node.operands[0].shape();
  const Shape lanes(node.shape.begin() + 1, node.shape.end());
  const CallOperand &out = arguments.out, &in = arguments.in[0];
  CallOperand counts = out;
  counts.strides = out.strides.subspan(1);
  const std::ptrdiff_t to_value = out.strides[0];
  for_each_lane<2>(lanes, {strides_along(counts, lanes, lanes), strides_along(in, from, from)}, [&](const auto& at) {
    double &count = out.data[at[0]], &best = out.data[at[0] + to_value];
    for (std::size_t row = 0; row < arguments.num_rows; ++row) {
      const double number = in.data[at[1] + static_cast<std::ptrdiff_t>(row) * in.row_stride];
      const bool is_better = smallest_ ? number < best : number > best;
      if (count == 0.0 || is_better || (number != number && best == best)) {
        best = number;
        count = 1.0;
      } else if (number == best) {
        count += 1.0;
      }
    }
  });
}

Shape FromRank::infer_shape(std::span<const Expr> operands) const {
  return with_first(operands[0].shape(), static_cast<std::size_t>(comm_.size()));
}

Expr FromRank::adjoint(const Expr& node, const Expr& cotangent, std::size_t) const {
  return make_node(std::make_shared<const ToRank>(comm_), {cotangent}, node.node()->where);
}

void FromRank::call(const Node& node, const CallArguments& arguments) const {
  const Shape& from = node.operands[0].shape();
  CallOperand own = arguments.out;
  own.data += comm_.rank() * own.strides[0];
  own.strides = own.strides.subspan(1);
  const CallOperand& in = arguments.in[0];
  for_each_lane<2>(from, {strides_along(own, from, from), strides_along(in, from, from)},
                   [&](const auto& at) { own.data[at[0]] += in.data[at[1]]; });
}

Shape ToRank::infer_shape(std::span<const Expr> operands) const {
  return Shape(operands[0].shape().begin() + 1, operands[0].shape().end());
}

Expr ToRank::adjoint(const Expr& node, const Expr& cotangent, std::size_t) const {
  return make_node(std::make_shared<const FromRank>(comm_), {cotangent}, node.node()->where);
}

void ToRank::call(const Node& node, const CallArguments& arguments) const {
  CallOperand own = arguments.in[0];
  own.data += comm_.rank() * own.strides[0];
  own.strides = own.strides.subspan(1);
  const CallOperand& out = arguments.out;
  for_each_lane<2>(node.shape, {strides_along(out, node.shape, node.shape), strides_along(own, node.shape, node.shape)},
                   [&](const auto& at) { out.data[at[0]] = own.data[at[1]]; });
}

Expr extremum_over_rows(const Expr& x, bool smallest) {
  const SourceLocation where = x.node()->where;
  const Expr own = make_node(std::make_shared<const RowExtremum>(smallest), {x}, where);
  const Expr of_ranks = make_node(std::make_shared<const FromRank>(rows_of(x.shape())->comm), {own}, where);
  const Expr count = element(of_ranks, 1, 0), best = element(of_ranks, 1, 1);  // [ranks, ..]
  const double none = smallest ? infinity : -infinity;
  const std::vector<std::size_t> axes = {0};
  return make_node(std::make_shared<const Extremum>(smallest, axes), {allgrad::where(count, best, none), count}, where);
}

}  // namespace allgrad
