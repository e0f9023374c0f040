#pragma once

#include <functional>
#include <optional>
#include <xtensor/xtensor.hpp>

#include "allgrad/communicator.hpp"
#include "allgrad/expr.hpp"
#include "allgrad/key.hpp"
#include "allgrad/param_values.hpp"

namespace allgrad {

/// Sums over all rows of all ranks of products of r, what a row gives, and J, its derivatives by the parameters.
struct OuterProduct {
  xt::xtensor<double, 2> jtj;  ///< [ndim, ndim], J^T J
  xt::xtensor<double, 1> jtr;  ///< [ndim], J^T r
  double rtr;                  ///< r^T r

  /// Where r are residuals in units of their errors, the Gauss-Newton covariances of the parameters [ndim, ndim]:
  /// (J^T J)^-1. Throws ArgumentError where J^T J is not positive definite.
  xt::xtensor<double, 2> calc_covariance(SourceLocation where = SourceLocation::current()) const;
};

/// The outer products of what `rows` makes of the parameters [ndim]: an expression per row, [rows, ...], of which each
/// element counts. It takes one sweep over the rows, in forward mode, and one message of (ndim + 1)(ndim + 2) / 2
/// numbers. With residuals r of a loss r^T r / 2, J^T r is its gradient and J^T J its Gauss-Newton matrix; with what
/// each row adds to a loss, J^T J is what CovarianceOptions::row_losses takes. Collective over `comm`, that of the
/// tables. Throws ExpressionError where the expression is not per row, and what `compile` throws.
OuterProduct calc_outer_product(const std::function<Expr(const Expr& params)>& rows, const ParamValues& params,
                                const Communicator& comm = Communicator::world(),
                                const std::optional<Key>& randkey = {},
                                SourceLocation where = SourceLocation::current());

}  // namespace allgrad
