// cholesky: symmetric a [.., n, n] -> L with L L^T = a. With P(x), the lower triangle of x with half of the diagonal:
// adjoint, the symmetric part of L^-T P(L^T cotangent) L^-1; tangent, L P(L^-1 tangent L^-T).
#include "dsl/cholesky.hpp"

#include <limits>

#include "dsl/matrices.hpp"
#include "dsl/solve.hpp"

namespace allgrad {

namespace {

/// L^-1 x L^-T, or with `transposed` L^-T x L^-1.
Expr between_inverses(const Expr& factor, const Expr& x, bool transposed) {
  const Solve solve(Solve::Matrix::lower, transposed, Terms::safe_products);
  const Expr left = solve.apply(factor, x);
  return matrix_transpose(solve.apply(factor, matrix_transpose(left)));
}

}  // namespace

Shape Cholesky::infer_shape(std::span<const Expr> operands) const {
  require_square(operands[0].shape());
  return operands[0].shape();
}

Expr Cholesky::adjoint(const Expr& node, const Expr& cotangent, std::size_t) const {
  const Expr inner = triangle(safe_matmul(matrix_transpose(node), cotangent), true, 0.5);
  return symmetric_part(between_inverses(node, inner, true));
}

Expr Cholesky::tangent(const Expr& node, std::span<const Expr> tangents) const {
  return safe_matmul(node, triangle(between_inverses(node, tangents[0], false), true, 0.5));
}

void Cholesky::call(const Node& node, const CallArguments& arguments) const {
  for_each_matrix<1>(node, arguments, [](MatrixView out, const MatrixView& a) {
    const Eigen::LLT<Eigen::MatrixXd> factors(a);
    out = factors.matrixL();
    const bool is_positive = factors.info() == Eigen::Success && out.diagonal().allFinite();
    if (!is_positive) out.setConstant(std::numeric_limits<double>::quiet_NaN());
  });
}

}  // namespace allgrad
