#pragma once

#include "dsl/call_operator.hpp"

namespace allgrad {

/// Of symmetric matrices [.., n, n], the eigenvalues in increasing order and below them the eigenvectors as columns,
/// [.., 1 + n, n].
class Eigh final : public CallOperator {
 public:
  std::string_view name() const override { return "eigh"; }
  void identify(Fingerprint&) const override {}
  bool is_finite(std::span<const Expr>) const override { return false; }  // NaN where it does not converge
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  void call(const Node& node, const CallArguments& arguments) const override;
};

}  // namespace allgrad
