// amax, amin: the largest or smallest element over axes of lanes, [.., n, ..] -> [.., ..], NaN where one is NaN.
// Adjoint: the cotangent, to the elements that are equal to the result, in equal shares.
// argmax, argmin: the position of the first one along an axis; zero derivative by design.
#include "dsl/extremum.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "allgrad/reductions.hpp"
#include "base/fingerprint.hpp"
#include "base/finite.hpp"
#include "dsl/axes.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/kernel_id.hpp"
#include "dsl/reshape.hpp"
#include "dsl/sum.hpp"

namespace allgrad {

namespace {

/// Strides of a result along the lanes of the value that it is reduced from.
LaneStrides strides_of_result(const CallOperand& out, const Shape& from, const std::vector<std::size_t>& axes) {
  LaneStrides strides{};
  std::size_t lane = 0, out_lane = 0;
  for (std::size_t axis = 0; axis < from.size(); ++axis) {
    if (from[axis].is_rows()) continue;
    if (!std::ranges::binary_search(axes, axis)) strides[lane] = out.strides[out_lane++];
    ++lane;
  }
  return strides;
}

/// True where `x` takes the place of `best`; NaN stays, and takes the place of all others.
template <bool smallest>
bool beats(double x, double best) {
  return (smallest ? x < best : x > best) || (x != x && best == best);
}

template <bool smallest>
void reduce(const CallArguments& arguments, const Shape& from, const Shape& to, const LaneStrides& out_strides) {
  const CallOperand &out = arguments.out, &in = arguments.in[0];
  const auto rows = static_cast<std::ptrdiff_t>(arguments.num_rows);
  for_each_lane<1>(to, {strides_along(out, to, to)}, [&](const auto& at) {
    for (std::ptrdiff_t row = 0; row < rows; ++row) {
      out.data[at[0] + row * out.row_stride] = smallest ? infinity : -infinity;
    }
  });
  for_each_lane<2>(from, {out_strides, strides_along(in, from, from)}, [&](const auto& at) {
    for (std::ptrdiff_t row = 0; row < rows; ++row) {
      double& best = out.data[at[0] + row * out.row_stride];
      const double number = in.data[at[1] + row * in.row_stride];
      best = beats<smallest>(number, best) ? number : best;
    }
  });
}

template <bool smallest>
void find(const CallArguments& arguments, const Shape& from, std::size_t axis, const LaneStrides& out_strides) {
  const CallOperand &out = arguments.out, &in = arguments.in[0];
  const Shape lines = with_single(from, {axis});
  const std::size_t length = from[axis].length;
  const std::ptrdiff_t step = in.strides[lane_axis(from, axis)];
  for_each_lane<2>(lines, {out_strides, strides_along(in, from, from)}, [&](const auto& at) {
    for (std::size_t row = 0; row < arguments.num_rows; ++row) {
      const auto r = static_cast<std::ptrdiff_t>(row);
      const double* numbers = in.data + at[1] + r * in.row_stride;
      std::size_t position = 0;
      for (std::size_t i = 1; i < length; ++i) {
        const auto place = [&](std::size_t k) { return numbers[static_cast<std::ptrdiff_t>(k) * step]; };
        if (beats<smallest>(place(i), place(position))) position = i;
      }
      out.data[at[0] + r * out.row_stride] = static_cast<double>(position);
    }
  });
}

void require_elements(const Shape& shape, const std::vector<std::size_t>& axes) {
  for (const std::size_t axis : axes) {
    if (shape[axis] == Extent(0)) {
      throw ExpressionError(fmt::format("axis {} has no elements, so there is no largest or smallest one", axis));
    }
  }
}

Shape without(const Shape& from, const std::vector<std::size_t>& axes) {
  Shape shape;
  for (const std::size_t axis : remaining_axes(from, axes)) shape.push_back(from[axis]);
  return shape;
}

Expr extremum_position(const Operand& x, const Position& axis, bool smallest) {
  const std::size_t at = chosen_lane_axis(
      x, axis, smallest ? "argmin" : "argmax",
      "rows lie on several ranks, so there is no position of one; where(equal(x, amax(x)), y, 0.0) chooses it");
  return make_node(std::make_shared<const ExtremumPosition>(smallest, at), {x.expr()}, x.where());
}

}  // namespace

std::string Extremum::attributes() const { return fmt::format("axes={}", axes_); }

void Extremum::identify(Fingerprint& hash) const {
  for (const std::size_t axis : axes_) hash.add(axis);
}

Shape Extremum::infer_shape(std::span<const Expr> operands) const {
  require_elements(operands[0].shape(), axes_);
  return without(operands[0].shape(), axes_);
}

Expr Extremum::shares(const Expr& node) const {
  const std::vector<Expr>& operands = node.node()->operands;
  const Shape kept = with_single(operands[0].shape(), axes_);
  const Expr reaches = equal(operands[0], reshaped(node, kept));
  const Expr counts = operands.size() == 2 ? reaches * operands[1] : reaches;
  return reaches / reshaped(sum_over(counts, axes_, node.node()->where), kept);
}

Expr Extremum::adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const {
  if (k == 1) return {};
  return chain(reshaped(cotangent, with_single(node.node()->operands[0].shape(), axes_)), shares(node));
}

Expr Extremum::tangent(const Expr& node, std::span<const Expr> tangents) const {
  if (tangents[0].empty()) return {};
  return sum_over(chain(tangents[0], shares(node)), axes_, node.node()->where);
}

/// Of a few elements by comparing one after the other with the best before, which joins what is computed around it.
View Extremum::lower(const Node& node, Lowering& lowering) const {
  constexpr std::size_t few = 64;
  const Shape& from = node.operands[0].shape();
  std::size_t count = 1;
  for (const std::size_t axis : axes_) count *= from[axis].length;
  if (count > few) return CallOperator::lower(node, lowering);

  View element = lowering.operand(0);  // the first; its axes are those of the result
  std::vector<std::ptrdiff_t> steps;
  for (const std::size_t axis : axes_) steps.push_back(element.strides[lane_axis(from, axis)]);
  for (auto axis = axes_.rbegin(); axis != axes_.rend(); ++axis) {
    element.strides.erase(element.strides.begin() + static_cast<std::ptrdiff_t>(lane_axis(from, *axis)));
  }
  const std::size_t first = element.offset;
  const View out = lowering.allocate(node.shape);
  lowering.emit(Kernel::copy, out, {element}, node.shape);
  for (std::size_t i = 1; i < count; ++i) {
    auto offset = static_cast<std::ptrdiff_t>(first);
    std::size_t rest = i;
    for (std::size_t k = axes_.size(); k-- > 0; rest /= from[axes_[k]].length) {
      offset += static_cast<std::ptrdiff_t>(rest % from[axes_[k]].length) * steps[k];
    }
    element.offset = static_cast<std::size_t>(offset);
    lowering.emit(smallest_ ? Kernel::minimum : Kernel::maximum, out, {element, out}, node.shape);
  }
  return out;
}

void Extremum::call(const Node& node, const CallArguments& arguments) const {
  const Shape& from = node.operands[0].shape();
  const LaneStrides out_strides = strides_of_result(arguments.out, from, axes_);
  (smallest_ ? reduce<true> : reduce<false>)(arguments, from, node.shape, out_strides);
}

std::string ExtremumPosition::attributes() const { return fmt::format("axis={}", axis_); }

void ExtremumPosition::identify(Fingerprint& hash) const { hash.add(axis_); }

Shape ExtremumPosition::infer_shape(std::span<const Expr> operands) const {
  require_elements(operands[0].shape(), {axis_});
  return without(operands[0].shape(), {axis_});
}

void ExtremumPosition::call(const Node& node, const CallArguments& arguments) const {
  const Shape& from = node.operands[0].shape();
  const LaneStrides out_strides = strides_of_result(arguments.out, from, {axis_});
  (smallest_ ? find<true> : find<false>)(arguments, from, axis_, out_strides);
}

Expr argmax(const Operand& x, const Position& axis) { return extremum_position(x, axis, false); }

Expr argmin(const Operand& x, const Position& axis) { return extremum_position(x, axis, true); }

}  // namespace allgrad
