#pragma once

#include "graph/operator.hpp"
#include "graph/shape.hpp"

namespace allgrad {

class BroadcastTo final : public Operator {
 public:
  explicit BroadcastTo(Shape shape) : shape_(std::move(shape)) {}

  std::string_view name() const override { return "broadcast_to"; }
  std::string attributes() const override { return "shape=" + to_string(shape_); }
  void identify(Fingerprint& hash) const override { add_to(hash, shape_); }
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::jointly; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

 private:
  Shape shape_;
};

/// What is stretched by the last operation of an expression, or the expression itself.
inline const Expr& unstretched(const Expr& expr) {
  return as<BroadcastTo>(expr) != nullptr ? expr.node()->operands[0] : expr;
}

/// Zeros that are their own share, where the shape has no rows.
Expr zeros(const Shape& shape);

}  // namespace allgrad
