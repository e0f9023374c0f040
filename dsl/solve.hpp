#pragma once

#include "dsl/call_operator.hpp"
#include "dsl/contraction.hpp"

namespace allgrad {

/// x with a x = b for matrices a [.., n, n] and b [.., n, m], or with a^T x = b.
class Solve final : public CallOperator {
 public:
  enum class Matrix { square, lower, upper };

  /// With safe products, as in derivatives, right sides of zeros give zeros whatever the matrix is.
  Solve(Matrix matrix, bool transposed, Terms terms) : matrix_(matrix), transposed_(transposed), terms_(terms) {}

  Expr apply(const Expr& a, const Expr& b) const;

  std::string_view name() const override { return matrix_ == Matrix::square ? "solve" : "solve_triangular"; }
  std::string attributes() const override;
  void identify(Fingerprint& hash) const override;
  bool is_finite(std::span<const Expr>) const override { return false; }  // not where the matrix is singular
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::tail; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  void call(const Node& node, const CallArguments& arguments) const override;

 private:
  /// The part of the matrices that is read.
  Expr part_read(const Expr& a) const;

  Matrix matrix_;
  bool transposed_;
  Terms terms_;
};

}  // namespace allgrad
