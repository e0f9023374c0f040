// interp_cubic: a composition. The slopes of the spline at the points solve a tridiagonal system once; what is looked
// up for each x are the coefficients of its cubic.
#include <fmt/format.h>

#include <Eigen/SparseLU>
#include <algorithm>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "dsl/constant.hpp"
#include "dsl/interp.hpp"
#include "dsl/take.hpp"

namespace allgrad {

namespace {

using Vector = Eigen::VectorXd;

Vector vector_of(const Expr& constant) {
  const auto& numbers = as<Constant>(constant)->value().storage();
  return Eigen::Map<const Vector>(numbers.data(), static_cast<Eigen::Index>(numbers.size()));
}

Expr constant_of(const Vector& vector) {
  Array values = Array::from_shape({static_cast<std::size_t>(vector.size())});
  std::copy_n(vector.data(), vector.size(), values.data());
  return constant(std::move(values));
}

/// Slopes at the points, for `steps` between these and `secants` through each pair of neighbours.
Vector spline_slopes(const Vector& steps, const Vector& secants) {
  const Eigen::Index n = steps.size() + 1;
  if (n == 2) return Vector::Constant(2, secants(0));
  if (n == 3) {
    const double middle = (steps(1) * secants(0) + steps(0) * secants(1)) / (steps(0) + steps(1));
    return Eigen::Vector3d(2.0 * secants(0) - middle, middle, 2.0 * secants(1) - middle);
  }
  std::vector<Eigen::Triplet<double>> matrix;
  Vector right(n);
  for (Eigen::Index i = 1; i + 1 < n; ++i) {  // the second derivative is continuous
    matrix.emplace_back(i, i - 1, steps(i));
    matrix.emplace_back(i, i, 2.0 * (steps(i - 1) + steps(i)));
    matrix.emplace_back(i, i + 1, steps(i - 1));
    right(i) = 3.0 * (steps(i) * secants(i - 1) + steps(i - 1) * secants(i));
  }
  // The third derivative is, too, at the second point and the last but one.
  const auto add_end = [&](Eigen::Index row, Eigen::Index neighbour, Eigen::Index first, Eigen::Index second) {
    const double both = steps(first) + steps(second);
    matrix.emplace_back(row, row, steps(second));
    matrix.emplace_back(row, neighbour, both);
    right(row) =
        ((steps(first) + 2.0 * both) * steps(second) * secants(first) + steps(first) * steps(first) * secants(second)) /
        both;
  };
  add_end(0, 1, 0, 1);
  add_end(n - 1, n - 2, n - 2, n - 3);
  Eigen::SparseMatrix<double> system(n, n);
  system.setFromTriplets(matrix.begin(), matrix.end());
  return Eigen::SparseLU<Eigen::SparseMatrix<double>>(system).solve(right);
}

}  // namespace

Expr interp_cubic(const Operand& x, const Operand& xp, const Operand& fp, Outside outside) {
  check_points("interp_cubic", x, xp, fp);
  const auto is_known = [](const Operand& points) {
    return as<Constant>(points.expr()) != nullptr && points.expr().ndim() == 1 &&
           points.expr().placement() == Placement::replicated;
  };
  if (!is_known(xp) || !is_known(fp)) {
    throw ExpressionError(
        fmt::format("interp_cubic({}, {}, {}): expected constants [n] as positions and values, got what is computed; "
                    "interp takes that, too",
                    to_string(x.expr().shape()), to_string(xp.expr().shape()), to_string(fp.expr().shape())),
        x.where());
  }
  const NodeOrigin origin(x.where(), false);
  const Vector positions = vector_of(xp.expr()), values = vector_of(fp.expr());
  const Eigen::Index n = positions.size();
  const Vector steps = positions.tail(n - 1) - positions.head(n - 1);
  const Vector secants = (values.tail(n - 1) - values.head(n - 1)).cwiseQuotient(steps);
  const Vector slopes = spline_slopes(steps, secants);
  const Vector before = slopes.head(n - 1), after = slopes.tail(n - 1);
  const auto [number, h] = interval_of(x.expr(), xp.expr(), x.where());
  const auto taken = [&, index = number](const Vector& coefficients) {
    return take_last(constant_of(coefficients), index, x.where());
  };
  const Expr cubic = taken((before + after - 2.0 * secants).cwiseQuotient(steps.cwiseAbs2()));
  const Expr quadratic = taken((3.0 * secants - 2.0 * before - after).cwiseQuotient(steps));
  const Expr inside = taken(values.head(n - 1)) + h * (taken(before) + h * (quadratic + h * cubic));
  return with_outside(x.expr(), xp.expr(), fp.expr(), inside, outside);
}

}  // namespace allgrad
