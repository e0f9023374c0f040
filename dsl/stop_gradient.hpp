#pragma once

#include "graph/operator.hpp"

namespace allgrad {

/// The same value, whose derivative is zero by design.
class StopGradient final : public Operator {
 public:
  std::string_view name() const override { return "stop_gradient"; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr> operands) const override { return operands[0].shape(); }
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  Expr tangent(const Expr&, std::span<const Expr>) const override { return {}; }
  Array evaluate(const Node&, std::span<const Array* const> operands, Evaluation&) const override {
    return *operands[0];
  }
  View lower(const Node&, Lowering& lowering) const override { return lowering.operand(0); }
};

}  // namespace allgrad
