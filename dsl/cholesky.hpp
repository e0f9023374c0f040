#pragma once

#include "dsl/call_operator.hpp"

namespace allgrad {

/// The lower triangular factor of symmetric matrices [.., n, n].
class Cholesky final : public CallOperator {
 public:
  std::string_view name() const override { return "cholesky"; }
  void identify(Fingerprint&) const override {}
  bool is_finite(std::span<const Expr>) const override { return false; }  // NaN where it is not positive definite
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  void call(const Node& node, const CallArguments& arguments) const override;
};

}  // namespace allgrad
