// solve: a [.., n, n], b [.., n, m] -> x with a x = b. Adjoint: a^-T cotangent, of b; -(a^-T cotangent) x^T, of a.
// Tangent: a^-1 (tangent of b - tangent of a x).
#include "dsl/solve.hpp"

#include <fmt/format.h>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "dsl/matrices.hpp"

namespace allgrad {

Expr Solve::apply(const Expr& a, const Expr& b) const {
  return make_node(std::make_shared<const Solve>(*this), {a, b}, b.node()->where);
}

std::string Solve::attributes() const {
  std::string text = matrix_ == Matrix::square ? "" : matrix_ == Matrix::lower ? "lower" : "upper";
  if (transposed_) text += text.empty() ? "transposed" : ", transposed";
  if (terms_ == Terms::safe_products) text += text.empty() ? "safe" : ", safe";
  return text;
}

void Solve::identify(Fingerprint& hash) const {
  hash.add(static_cast<std::uint64_t>(matrix_));
  hash.add(transposed_);
  hash.add(terms_ == Terms::safe_products);
}

Shape Solve::infer_shape(std::span<const Expr> operands) const {
  const Shape &a = operands[0].shape(), &b = operands[1].shape();
  require_square(a);
  if (b.size() < 2 || b.back().is_rows() || !(b[b.size() - 2] == a.back())) {
    throw ExpressionError(fmt::format("expected a right side of {} numbers for each matrix, [{}] or [.., {}, m]",
                                      a.back().length, a.back().length, a.back().length));
  }
  Shape shape = broadcast(batch_of(a), batch_of(b));
  shape.insert(shape.end(), b.end() - 2, b.end());
  return shape;
}

Expr Solve::part_read(const Expr& a) const {
  return matrix_ == Matrix::square ? a : triangle(a, matrix_ == Matrix::lower);
}

Expr Solve::adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const {
  const Expr& a = node.node()->operands[0];
  const Expr of_b = Solve(matrix_, !transposed_, Terms::safe_products).apply(a, cotangent);
  if (k == 1) return of_b;
  return part_read(
      -(transposed_ ? safe_matmul(node, matrix_transpose(of_b)) : safe_matmul(of_b, matrix_transpose(node))));
}

Expr Solve::tangent(const Expr& node, std::span<const Expr> tangents) const {
  const Expr& a = node.node()->operands[0];
  const Solve safe(matrix_, transposed_, Terms::safe_products);
  if (tangents[0].empty()) return safe.apply(a, tangents[1]);
  const Expr of_a = part_read(tangents[0]);
  const Expr change = safe_matmul(transposed_ ? matrix_transpose(of_a) : of_a, node);
  return safe.apply(a, tangents[1].empty() ? -change : tangents[1] - change);
}

void Solve::call(const Node& node, const CallArguments& arguments) const {
  for_each_matrix<2>(node, arguments, [this](MatrixView out, const MatrixView& a, const MatrixView& b) {
    if (b.cols() == 0) return;
    if (terms_ == Terms::safe_products && (b.array() == 0.0).all()) {
      out.setZero();
      return;
    }
    Eigen::MatrixXd matrix = a, x = b;
    if (transposed_) matrix.transposeInPlace();
    if (matrix_ == Matrix::square) {
      x = matrix.partialPivLu().solve(x);
    } else if ((matrix_ == Matrix::lower) != transposed_) {
      matrix.triangularView<Eigen::Lower>().solveInPlace(x);
    } else {
      matrix.triangularView<Eigen::Upper>().solveInPlace(x);
    }
    out = x;
  });
}

}  // namespace allgrad
