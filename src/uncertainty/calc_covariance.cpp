// Covariances of parameters from second derivatives of a loss.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "allgrad/evaluate.hpp"
#include "allgrad/model_base.hpp"
#include "allgrad/outer_product.hpp"
#include "allgrad/reductions.hpp"
#include "base/eigensystem.hpp"
#include "base/finite.hpp"
#include "comm/agreement.hpp"
#include "comm/call.hpp"
#include "optimizers/arguments.hpp"
#include "optimizers/named.hpp"
#include "uncertainty/positive_definite.hpp"

namespace allgrad {

namespace {

constexpr std::string_view covariance_call = "calc_covariance";

/// Loss, gradient and second derivatives at a point, one after the other.
class Expansion {
 public:
  explicit Expansion(std::size_t num_params) : num_params_(num_params), numbers_(1 + num_params * (1 + num_params)) {}

  std::span<double> numbers() { return numbers_; }
  double& loss() { return numbers_[0]; }
  std::span<double> gradient() { return numbers().subspan(1, num_params_); }
  std::span<double> hessian() { return numbers().subspan(1 + num_params_); }

  /// Of the size of these numbers, beside what they are near a minimum.
  std::vector<double> scales(double errordef) {
    std::vector<double> scales{errordef}, roots;
    for (std::size_t i = 0; i < num_params_; ++i) {
      const double diagonal = std::abs(hessian()[i * (num_params_ + 1)]);
      roots.push_back(std::isfinite(diagonal) ? std::sqrt(diagonal) : 0.0);
    }
    const double size = std::isfinite(loss()) ? std::sqrt(std::max(std::abs(loss()), errordef)) : 0.0;
    for (const double root : roots) scales.push_back(size * root);
    for (const double root : roots) {
      for (const double other : roots) scales.push_back(root * other);
    }
    return scales;
  }

 private:
  std::size_t num_params_;
  std::vector<double> numbers_;
};

Params declared(const ParamValues& values, const Params& declared, SourceLocation where) {
  Params params = declared.empty() ? Guess(values).params() : Guess(declared).params();
  if (params.size() != values.size()) {
    throw ArgumentError(fmt::format("{}: expected as many .params as values of parameters, {}, got {}; declare each of "
                                    "them, or none",
                                    covariance_call, values.size(), params.size()),
                        where);
  }
  for (std::size_t i = 0; i < params.size(); ++i) params[i].guess = std::span<const double>(values)[i];
  return params;
}

Expansion expand(Objective& objective, const Params& params, const CovarianceOptions& options, SourceLocation where) {
  Expansion at(params.size());
  std::vector<double> values;
  std::vector<std::string> names;
  EvaluationOptions evaluation{.randkey = options.randkey};
  for (const Param& param : params) {
    values.push_back(param.guess);
    names.push_back(param.name);
    evaluation.frozen.push_back(param.frozen);
  }
  if (std::ranges::find(evaluation.frozen, true) == evaluation.frozen.end()) evaluation.frozen.clear();
  at.loss() = objective.value_gradient_and_hessian(values, at.gradient(), at.hessian(), options.curvature, evaluation);
  const std::vector<double> scales = at.scales(options.errordef.value);
  agree(objective.communicator(), Operation("the end of an evaluation", where),
        {"loss and derivatives", at.numbers(), scales});
  if (all_finite(at.numbers())) return at;
  const std::string what = objective.what_is_not_finite(values, evaluation);
  throw ArgumentError(
      fmt::format("{}: expected parameters at which the loss and its second derivatives are finite, but they are not "
                  "at {}{}{}; give the minimum of the loss",
                  covariance_call, named(names, values), what.empty() ? "" : ": ", what),
      where);
}

/// "0.8 log_f - 0.6 beta", of a vector of length 1; what is small beside its largest element is left out.
std::string direction(const Eigen::VectorXd& vector, const std::vector<std::string>& names) {
  const double sign = vector(Eigen::Index{0}) < 0.0 ? -1.0 : 1.0;
  std::string text;
  for (Eigen::Index i = 0; i < vector.size(); ++i) {
    const double part = sign * vector(i);
    if (std::abs(part) < 1e-3 * vector.cwiseAbs().maxCoeff()) continue;
    text += fmt::format("{}{:.3g} {}",
                        text.empty() ? (part < 0.0 ? "-" : "")
                        : part < 0.0 ? " - "
                                     : " + ",
                        std::abs(part), names[static_cast<std::size_t>(i)]);
  }
  return text;
}

[[noreturn]] void refuse_hessian(const Eigen::MatrixXd& hessian, const std::vector<std::string>& names,
                                 SourceLocation where) {
  const Eigensystem eigen = eigensystem(hessian);
  std::vector<double> eigenvalues(eigen.values.begin(), eigen.values.end());
  throw ArgumentError(
      fmt::format(
          "{}: expected second derivatives that are positive definite, got the eigenvalues {:.6g}: along {} the "
          "loss does not rise. Minimize the loss first; where a parameter, or a combination of them, does not "
          "matter there, freeze one, or add a prior to the loss",
          covariance_call, fmt::join(eigenvalues, ", "), direction(eigen.vectors.col(0), names)),
      where);
}

/// What may still move: not at a bound that the loss falls towards.
bool is_held(const Param& param, double gradient) {
  return (param.guess == param.bounds.low && gradient > 0.0) || (param.guess == param.bounds.high && gradient < 0.0);
}

Covariance covariance_of(Expansion& at, const Params& params, double errordef, const Communicator& comm,
                         SourceLocation where) {
  const std::size_t n = params.size();
  Covariance result{.names = {},
                    .values = xt::xtensor<double, 1>::from_shape({n}),
                    .matrix = xt::zeros<double>({n, n}),
                    .frozen = {},
                    .at_bounds = {},
                    .loss = at.loss(),
                    .errordef = errordef,
                    .distance = 0.0,
                    .comm = comm};
  std::vector<Eigen::Index> free;
  std::vector<std::string> free_names;
  for (std::size_t i = 0; i < n; ++i) {
    const Param& param = params[i];
    result.names.push_back(param.name);
    result.units.push_back(param.unit);
    result.values(i) = param.guess;
    result.frozen.push_back(param.frozen);
    if (param.frozen) continue;
    free.push_back(static_cast<Eigen::Index>(i));
    free_names.push_back(param.name);
    if (param.guess == param.bounds.low || param.guess == param.bounds.high) result.at_bounds.push_back(param.name);
  }
  const Eigen::MatrixXd hessian = symmetric(at.hessian(), n)(free, free);
  const auto inverse = positive_inverse(hessian);
  if (!inverse) refuse_hessian(hessian, free_names, where);
  Eigen::Map<RowMajorMatrix>(result.matrix.data(), static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(n))(
      free, free) = 2.0 * errordef * *inverse;
  Eigen::VectorXd gradient(inverse->rows());
  for (std::size_t k = 0; k < free.size(); ++k) {
    const auto i = static_cast<std::size_t>(free[k]);
    gradient(static_cast<Eigen::Index>(k)) = is_held(params[i], at.gradient()[i]) ? 0.0 : at.gradient()[i];
  }
  result.distance = 0.5 * gradient.dot(*inverse * gradient);
  return result;
}

/// Throws where what rows are said to add to the loss is not all of it, as where a factor is left out. Collective.
void check_row_losses(const Covariance& covariance, const CovarianceOptions& options, SourceLocation where) {
  const Expr sums = covariance.comm.attempt([&] {
    const Expr rows = options.row_losses(constant(Array(covariance.values)));
    if (rows.empty() || rows.placement() != Placement::per_row) return Expr();  // which calc_outer_product refuses
    return stack({sum(rows), sum(abs(rows))});
  });
  if (sums.empty()) return;
  const Array total = evaluate(sums, covariance.comm, true, options.randkey, where);
  constexpr double rounding = 1e-8;
  if (std::abs(total(0) - covariance.loss) <= rounding * std::max(total(1), std::abs(covariance.loss))) return;
  throw ArgumentError(
      fmt::format("{}: expected .row_losses that add up to the loss, {:.10g}, got a sum of {:.10g} over all rows; give "
                  "what each row adds to the loss, with its weight and all factors. A loss with a further term, as a "
                  "prior, has no robust covariance: take the term out of it, or share it out to the rows",
                  covariance_call, covariance.loss, total(0)),
      where);
}

/// H^-1 G H^-1 in place of 2 errordef H^-1, with G the sum over rows of products of gradients. Collective.
void make_robust(Covariance& covariance, const CovarianceOptions& options, SourceLocation where) {
  check_row_losses(covariance, options, where);
  const OuterProduct rows =
      calc_outer_product(options.row_losses, covariance.values, covariance.comm, options.randkey, where);
  const auto n = static_cast<Eigen::Index>(covariance.values.size());
  const Eigen::MatrixXd g = Eigen::Map<const RowMajorMatrix>(rows.jtj.data(), n, n);
  Eigen::Map<RowMajorMatrix> matrix(covariance.matrix.data(), n, n);
  const Eigen::MatrixXd inverse = matrix / (2.0 * covariance.errordef);
  const Eigen::MatrixXd sandwich = inverse * g * inverse;
  matrix = 0.5 * (sandwich + sandwich.transpose());
}

}  // namespace

Covariance ModelBase::calc_covariance(const ParamValues& params, const CovarianceOptions& options,
                                      SourceLocation where) {
  return in_call(covariance_call, where, communicator(), [&] {
    Objective& objective = this->objective(params.size(), where);
    const Guess guess = communicator().attempt(
        [&] { return Guess(declared(params, options.params.empty() ? this->params() : options.params, where)); });
    const Checked checked =
        check_arguments({covariance_call, objective, guess, {}, options.randkey, where}, BoundsBy::optimizer, [&] {
          return std::vector{Option::positive("errordef", options.errordef.value),
                             Option::flag("curvature", options.curvature == Curvature::exact)};
        });
    Expansion at = expand(objective, checked.params, options, where);
    Covariance covariance = communicator().guarded(
        [&] { return covariance_of(at, checked.params, options.errordef.value, communicator(), where); },
        Operation("the end of a covariance", where));
    if (options.row_losses) make_robust(covariance, options, where);
    return covariance;
  });
}

}  // namespace allgrad
