// broadcast_to: stretches missing axes and axes of length 1. Adjoint: the cotangent, which the differentiation sums
// over the stretched axes. Executed as a view.
#include "dsl/broadcast_to.hpp"

#include <fmt/format.h>

#include <xtensor/xbroadcast.hpp>

#include "allgrad/arrays.hpp"
#include "allgrad/error.hpp"
#include "graph/shape.hpp"

namespace allgrad {

Shape BroadcastTo::infer_shape(std::span<const Expr> operands) const {
  if (!broadcasts_to(operands[0].shape(), shape_)) {
    throw ExpressionError(fmt::format("shape {} does not broadcast to {}; its axes, aligned from the last, must be equal "
                                      "to those of the target, 1 or missing",
                                      to_string(operands[0].shape()), to_string(shape_)));
  }
  return shape_;
}

Expr BroadcastTo::adjoint(const Expr&, const Expr& cotangent, std::size_t) const { return cotangent; }

Array BroadcastTo::evaluate(const Node& node, std::span<const Array* const> operands, Evaluation&) const {
  return xt::broadcast(*operands[0], local_shape(node.shape));
}

View BroadcastTo::lower(const Node& node, Lowering& lowering) const {
  return broadcast_view(lowering.operand(0), node.operands[0].shape(), node.shape);
}

Expr broadcast_to(const Operand& x, const Shape& shape) {
  if (x.expr().shape() == shape) return x.expr();
  return make_node(std::make_shared<const BroadcastTo>(shape), {x.expr()}, x.where());
}

Expr zeros(const Shape& shape) {
  if (row_axis(shape)) return broadcast_to(constant(0.0), shape);
  return constant(xt::zeros<double>(local_shape(shape)));
}

}  // namespace allgrad
