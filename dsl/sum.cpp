// sum over axes: [.., n, ..] -> [.., ..], and mean. Over a row axis the result is partial: this rank's share.
// Adjoint: the cotangent, stretched along the axes again.
#include "dsl/sum.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <xtensor/xmath.hpp>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "base/fingerprint.hpp"
#include "dsl/axes.hpp"
#include "dsl/broadcast_to.hpp"
#include "dsl/kernel_id.hpp"
#include "dsl/reshape.hpp"
#include "graph/shape.hpp"

namespace allgrad {

std::string Sum::attributes() const { return fmt::format("axes={}", axes_); }

void Sum::identify(Fingerprint& hash) const {
  hash.add(axes_.size());
  for (std::size_t axis : axes_) hash.add(axis);
}

Shape Sum::infer_shape(std::span<const Expr> operands) const {
  Shape shape;
  for (std::size_t axis : remaining_axes(operands[0].shape(), axes_)) shape.push_back(operands[0].shape()[axis]);
  return shape;
}

Placement Sum::infer_placement(std::span<const Expr> operands, const Shape& shape) const {
  const bool over_rows = row_axis(operands[0].shape()) && !row_axis(shape);
  return over_rows ? Placement::partial : Operator::infer_placement(operands, shape);
}

Expr Sum::adjoint(const Expr& node, const Expr& cotangent, std::size_t) const {
  const Shape& from = node.node()->operands[0].shape();
  Shape kept = from;
  for (std::size_t axis : axes_) kept[axis] = Extent(1);
  return broadcast_to(reshaped(cotangent, kept), from);
}

Array Sum::evaluate(const Node& node, std::span<const Array* const> operands, Evaluation&) const {
  if (operands[0]->size() == 0) return xt::zeros<double>(local_shape(node.shape));
  return xt::sum<double>(*operands[0], axes_);
}

View Sum::lower(const Node& node, Lowering& lowering) const {
  const Shape& domain = node.operands[0].shape();
  const View out = lowering.zeros(node.shape);
  lowering.emit_add(Kernel::copy, sink_of(out, domain, axes_), {lowering.operand(0)}, domain);
  return out;
}

View sink_of(const View& sum, const Shape& from, const std::vector<std::size_t>& axes) {
  View sink{sum.buffer, sum.offset, {}};
  std::size_t lane_axis = 0;  // of the sum
  for (std::size_t axis = 0; axis < from.size(); ++axis) {
    const bool summed = std::ranges::binary_search(axes, axis);
    if (!from[axis].is_rows()) sink.strides.push_back(summed ? 0 : sum.strides[lane_axis]);
    if (!from[axis].is_rows() && !summed) ++lane_axis;
  }
  return sink;
}

std::vector<std::size_t> remaining_axes(const Shape& shape, const std::vector<std::size_t>& axes) {
  std::vector<std::size_t> remaining;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (!std::ranges::binary_search(axes, axis)) remaining.push_back(axis);
  }
  return remaining;
}

Expr sum_over(const Expr& x, std::vector<std::size_t> axes, SourceLocation where) {
  if (axes.empty()) return x;
  return make_node(std::make_shared<const Sum>(std::move(axes)), {x}, where);
}

Expr sum(const Operand& x, const Axes& axes) { return sum_over(x.expr(), reduced_axes(x, axes, "sum"), x.where()); }

Expr mean(const Operand& x, const Axes& axes) {
  const std::vector<std::size_t> reduced = reduced_axes(x, axes, "mean");
  const Expr count = num_elements(x.expr().shape(), reduced, x.where());
  return divide(Operand(sum_over(x.expr(), reduced, x.where()), x.where()), Operand(count, x.where()));
}

}  // namespace allgrad
