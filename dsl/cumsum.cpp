// cumsum: running sums along a lane axis, [.., n, ..] -> [.., n, ..]. Adjoint: running sums of the cotangent from the
// other end.
#include "dsl/cumsum.hpp"

#include <fmt/format.h>

#include <xtensor/xmanipulation.hpp>
#include <xtensor/xmath.hpp>

#include "allgrad/arrays.hpp"
#include "base/fingerprint.hpp"
#include "dsl/axes.hpp"
#include "dsl/lines.hpp"
#include "graph/shape.hpp"

namespace allgrad {

std::string Cumsum::attributes() const { return fmt::format("axis={}{}", axis_, reversed_ ? ", reversed" : ""); }

void Cumsum::identify(Fingerprint& hash) const {
  hash.add(axis_);
  hash.add(reversed_);
}

Expr Cumsum::adjoint(const Expr& node, const Expr& cotangent, std::size_t) const {
  return make_node(std::make_shared<const Cumsum>(axis_, !reversed_), {cotangent}, node.node()->where);
}

Array Cumsum::evaluate(const Node&, std::span<const Array* const> operands, Evaluation&) const {
  const auto axis = static_cast<std::ptrdiff_t>(axis_);
  if (!reversed_) return xt::cumsum(*operands[0], axis);
  return xt::flip(xt::cumsum(xt::flip(*operands[0], axis_), axis), axis_);
}

View Cumsum::lower(const Node& node, Lowering& lowering) const {
  const View out = lowering.allocate(node.shape);
  lowering.emit_call(out);
  return out;
}

void Cumsum::call(const Node& node, const CallArguments& arguments) const {
  const CallOperand &out = arguments.out, &in = arguments.in[0];
  const std::size_t axis = lane_axis(node.shape, axis_);
  const auto length = static_cast<std::ptrdiff_t>(out.lanes[axis]);
  const std::ptrdiff_t first = reversed_ ? length - 1 : 0, direction = reversed_ ? -1 : 1;
  const std::ptrdiff_t out_step = direction * out.strides[axis], in_step = direction * in.strides[axis];
  for_each_line(out, in, axis, [&](double* sums, const double* numbers) {
    sums += first * out.strides[axis];
    numbers += first * in.strides[axis];
    for (std::ptrdiff_t i = 0; i < length; ++i, sums += out_step, numbers += in_step) {
      for (std::size_t row = 0; row < arguments.num_rows; ++row) {
        const double number = numbers[static_cast<std::ptrdiff_t>(row) * in.row_stride];
        sums[row] = i == 0 ? number : sums[static_cast<std::ptrdiff_t>(row) - out_step] + number;
      }
    }
  });
}

Expr cumsum(const Operand& x, const Position& axis, bool reverse) {
  const std::size_t position =
      chosen_lane_axis(x, axis, "cumsum", "rows have no order, so there are no running sums along the row axis");
  return make_node(std::make_shared<const Cumsum>(position, reverse), {x.expr()}, x.where());
}

}  // namespace allgrad
