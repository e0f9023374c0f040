#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <xtensor/xtensor.hpp>

#include "allgrad/communicator.hpp"
#include "allgrad/expr.hpp"
#include "allgrad/key.hpp"
#include "allgrad/name.hpp"
#include "allgrad/objective.hpp"
#include "allgrad/params.hpp"
#include "allgrad/str_formatter.hpp"

namespace allgrad {

/// By how much the loss rises above its minimum at one standard error, as in Minuit: 1 for a chi-squared, 0.5 for minus
/// a log likelihood (half a chi-squared). It has no default, since a wrong one is a wrong error bar.
class Errordef {
 public:
  Errordef() = delete;  // give one: {.errordef = 1.0} for a chi-squared, 0.5 for minus a log likelihood
  constexpr Errordef(double rise) : value(rise) {}
  double value;
};

/// What calc_covariance takes beside the parameters; the same on every rank.
struct CovarianceOptions {
  Errordef errordef;                       ///< above 0
  Params params = {};                      ///< [ndim] or empty: names, bounds and what is frozen; guesses do not count
  Curvature curvature = Curvature::exact;  ///< the second derivatives that errors are computed from
  std::optional<Key> randkey = {};         ///< for losses that draw random numbers

  /// [rows], what each row adds to the loss, its weight included, so that they add up to it: with it, the covariances
  /// are robust ones, which hold for weighted rows and for a likelihood that is not quite that of the data. With H the
  /// second derivatives of the loss and g the gradient of what a row adds, they are H^-1 (sum of g g^T) H^-1, the
  /// sandwich of Huber 1967 (Proc. Fifth Berkeley Symp. 1, 221) and White 1982 (Econometrica 50, 1); errordef does not
  /// matter to them.
  std::function<Expr(const Expr& params)> row_losses = {};
};

/// The curve on which the loss, minimized over all other parameters, has risen by num_sigma^2 errordef, to second
/// order. The standard errors of the two parameters, times num_sigma, are its half widths.
struct ErrorEllipse {
  std::array<double, 2> center;
  std::array<double, 2> semi_axes;  ///< the longer one first
  double angle;                     ///< in radians, from the axis of the first parameter to the longer semi-axis

  /// [num_points, 2] in equal steps of the phase; the last is the first again. Throws ArgumentError below 2 points.
  xt::xtensor<double, 2> points(std::size_t num_points = 101, SourceLocation where = SourceLocation::current()) const;
};

/// Quantities that were computed from parameters, with errors to first order (the delta method).
struct DerivedQuantity {
  Array values;                       ///< [...]
  Array errors;                       ///< [...], standard errors
  Array jacobian;                     ///< [..., ndim], derivatives by the parameters
  xt::xtensor<double, 2> covariance;  ///< [n, n], of the n values

  /// As text, one line for each value: "0.0123 +- 0.0004".
  std::string str() const;
};

/// How well a loss determines its parameters. The same on every rank.
struct Covariance {
  std::vector<std::string> names;       ///< [ndim], of the parameters
  xt::xtensor<double, 1> values;        ///< [ndim], where it was computed
  xt::xtensor<double, 2> matrix;        ///< [ndim, ndim], covariances; 0 for frozen parameters
  std::vector<bool> frozen;             ///< [ndim]
  std::vector<std::string> at_bounds;   ///< free parameters on a bound: their errors are as if there were none
  double loss;                          ///< at values
  double errordef;                      ///< that the covariances are for
  double distance;                      ///< by how much the loss would still fall, to second order; 0 at a minimum
  Communicator comm;                    ///< of the model
  std::vector<std::string> units = {};  ///< [ndim], of the parameters; empty texts where none is declared

  /// Standard errors [ndim].
  xt::xtensor<double, 1> errors() const;

  /// [ndim, ndim]: 1 on the diagonal, but 0 for frozen parameters.
  xt::xtensor<double, 2> correlations() const;

  /// Of two free parameters, by number or by name. Throws ArgumentError for parameters that are not there, that are
  /// frozen, or the same, and for a num_sigma that is not above 0.
  ErrorEllipse error_ellipse(std::size_t i, std::size_t j, double num_sigma = 1.0,
                             SourceLocation where = SourceLocation::current()) const;
  ErrorEllipse error_ellipse(std::string_view first, std::string_view second, double num_sigma = 1.0,
                             SourceLocation where = SourceLocation::current()) const;

  /// The standard error of a parameter by its name. Throws as index.
  double error(const Name& name) const { return errors()(index(name.text, name.where)); }

  /// The number of a parameter. Throws ArgumentError where none has that name.
  std::size_t index(std::string_view name, SourceLocation where = SourceLocation::current()) const;

  /// The value of an expression of the parameters [ndim] with its error, as in
  /// propagate([](const ag::Expr& params) { return exp(params[0]); }). An expression of any shape, not per row; sums
  /// over rows are those of all ranks, so that it may be a model's statistics. Collective over `comm`; throws what
  /// `compile` throws.
  DerivedQuantity propagate(const std::function<Expr(const Expr& params)>& quantity,
                            const std::optional<Key>& randkey = {},
                            SourceLocation where = SourceLocation::current()) const;

  /// As a table of values with errors and correlations; `fmt::print("{}\n", covariance)` prints it too.
  std::string str() const;
};

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::Covariance> : allgrad::detail::StrFormatter<allgrad::Covariance> {};
template <>
struct fmt::formatter<allgrad::DerivedQuantity> : allgrad::detail::StrFormatter<allgrad::DerivedQuantity> {};
