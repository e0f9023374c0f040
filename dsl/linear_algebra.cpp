// The user's functions of matrices: shapes are checked here, where messages can show what the user wrote.
#include "allgrad/linear_algebra.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <xtensor/xbuilder.hpp>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "dsl/cholesky.hpp"
#include "dsl/eigh.hpp"
#include "dsl/matrices.hpp"
#include "dsl/solve.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

void check_square(std::string_view function, const Operand& a) {
  try {
    require_square(a.expr().shape());
  } catch (const ExpressionError& error) {
    throw ExpressionError(fmt::format("{}({}): {}", function, to_string(a.expr().shape()), error.what()), a.where());
  }
}

Expr solved(Solve::Matrix matrix, const Operand& a, const Operand& b) {
  const Solve solve(matrix, false, Terms::products);
  check_square(solve.name(), a);
  const Shape& shape = b.expr().shape();
  const std::size_t lanes = shape.size() - (row_axis(shape) ? 1 : 0);
  const NodeOrigin origin(a.where(), false);
  if (lanes != 1) return solve.apply(a.expr(), b.expr());
  // A row axis behind that of the vector is no part of the vector.
  const Expr vectors = shape.back().is_rows() ? swapaxes(b.expr(), 0, 1) : b.expr();
  return squeeze(solve.apply(a.expr(), expand_dims(vectors, -1)), -1);
}

}  // namespace

Expr cholesky(const Operand& a) {
  check_square("cholesky", a);
  const NodeOrigin origin(a.where(), false);
  return make_node(std::make_shared<const Cholesky>(), {symmetric_part(a.expr())}, a.where());
}

Expr solve(const Operand& a, const Operand& b) { return solved(Solve::Matrix::square, a, b); }

Expr solve_triangular(const Operand& a, const Operand& b, bool lower) {
  return solved(lower ? Solve::Matrix::lower : Solve::Matrix::upper, a, b);
}

Expr logdet(const Operand& a) {
  check_square("logdet", a);
  const NodeOrigin origin(a.where(), false);
  return 2.0 * sum(log(diagonal(cholesky(a))), -1);
}

Expr inv(const Operand& a) {
  check_square("inv", a);
  return solve(a, Operand(Array(xt::eye<double>(a.expr().shape().back().length)), a.where()));
}

Expr eigvalsh(const Operand& a) {
  check_square("eigvalsh", a);
  const NodeOrigin origin(a.where(), false);
  return view(make_node(std::make_shared<const Eigh>(), {symmetric_part(a.expr())}, a.where()), ellipsis(), 0, all());
}

Expr multivariate_normal_logpdf(const Operand& x, const Operand& mean, const Operand& covariance) {
  check_square("multivariate_normal_logpdf", covariance);
  const Extent& size = covariance.expr().shape().back();
  for (const Operand* vector : {&x, &mean}) {
    const Shape& shape = vector->expr().shape();
    if (!shape.empty() && shape.back() == size) continue;
    throw ExpressionError(fmt::format("multivariate_normal_logpdf({}, {}, {}): expected x and mean of shape [.., {}], "
                                      "as long as the covariance",
                                      to_string(x.expr().shape()), to_string(mean.expr().shape()),
                                      to_string(covariance.expr().shape()), size.length),
                          x.where());
  }
  const NodeOrigin origin(x.where(), false);
  const Expr factor = cholesky(covariance);
  const Expr deviation = expand_dims(x.expr() - mean.expr(), -1);
  const Expr whitened = squeeze(Solve(Solve::Matrix::lower, false, Terms::products).apply(factor, deviation), -1);
  const double constant_term = 0.5 * static_cast<double>(size.length) * std::log(2.0 * std::numbers::pi);
  return -0.5 * sum(square(whitened), -1) - (sum(log(diagonal(factor)), -1) + constant_term);
}

}  // namespace allgrad
