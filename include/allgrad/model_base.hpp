#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <xtensor/xtensor.hpp>

#include "allgrad/adam.hpp"
#include "allgrad/covariance.hpp"
#include "allgrad/gradient_descent.hpp"
#include "allgrad/key.hpp"
#include "allgrad/lbfgsb.hpp"
#include "allgrad/loss.hpp"
#include "allgrad/objective.hpp"
#include "allgrad/param_scan.hpp"
#include "allgrad/params.hpp"
#include "allgrad/trust_region.hpp"

namespace allgrad {

/// What a model and a group of models have in common: a loss with its gradient, and ways to minimize it.
///
/// All functions are collective over communicator(), take the same arguments on every rank and return the same on every
/// rank, unless they say otherwise. At the first use, which fixes the number of parameters, they throw what `compile`
/// and the user's functions throw. They throw ArgumentError for another number of parameters, for a model that draws
/// random numbers and gets no `randkey`, and for a key where nothing is drawn; DivergenceError where ranks have other
/// arguments.
class ModelBase {
 public:
  virtual ~ModelBase() = default;
  ModelBase(const ModelBase&) = delete;
  ModelBase& operator=(const ModelBase&) = delete;

  virtual const Communicator& communicator() const = 0;

  /// The loss as a function of `num_params` parameters: what the optimizers take.
  virtual Objective& objective(std::size_t num_params, SourceLocation where = SourceLocation::current()) = 0;

  /// The loss at `params` [ndim], with its aux values.
  LossValue calc_loss_from_params(const ParamValues& params, const std::optional<Key>& randkey = {},
                                  SourceLocation where = SourceLocation::current());

  /// The gradient of the loss [ndim].
  virtual xt::xtensor<double, 1> calc_dloss_dparams(const ParamValues& params, const std::optional<Key>& randkey = {},
                                                    SourceLocation where = SourceLocation::current());

  /// The loss with its aux values and its gradient [ndim], at the cost of the gradient alone.
  std::pair<LossValue, xt::xtensor<double, 1>> calc_loss_and_grad_from_params(
      const ParamValues& params, const std::optional<Key>& randkey = {},
      SourceLocation where = SourceLocation::current());

  /// The covariances of the parameters at `params` [ndim], the minimum of the loss: 2 errordef times the inverse of its
  /// second derivatives by all that is not frozen, as in calc_covariance(fit.x, {.errordef = 1.0}) for a chi-squared.
  /// Throws ArgumentError where an option or a parameter cannot be used, where the second derivatives are not finite,
  /// and where they have an eigenvalue that is not above 0 (beyond rounding): the message lists the eigenvalues, and
  /// the direction along which the loss does not rise.
  Covariance calc_covariance(const ParamValues& params, const CovarianceOptions& options,
                             SourceLocation where = SourceLocation::current());

  /// Minimizes the loss from `guess` [ndim] by gradient descent, by Adam, by L-BFGS-B, and by Newton's
  /// method in a trust region. The options are those of the
  /// optimizer object, as in run_adam({-1.6, -0.5}, {.nsteps = 200}); each throws what its `minimize` throws.
  Trajectory run_simple_grad_descent(const Guess& guess, const GradientDescent& options = {},
                                     SourceLocation where = SourceLocation::current());
  Trajectory run_adam(const Guess& guess, const Adam& options = {}, SourceLocation where = SourceLocation::current());
  OptimizeResult run_bfgs(const Guess& guess, const Lbfgsb& options = {},
                          SourceLocation where = SourceLocation::current());
  OptimizeResult run_trust_region(const Guess& guess, const TrustRegion& options = {},
                                  SourceLocation where = SourceLocation::current());

  /// Evaluates statistics and loss at `num_evaluations` points of a Latin hypercube (see latin_hypercube) between
  /// `xmins` and `xmaxs`, each a number for all parameters or one for each of the `n_dim`. All evaluations take the
  /// same `randkey`. Without a seed, rank 0 draws one for all ranks. Throws ArgumentError where a limit is missing or
  /// not finite, or a lower one is not below the upper one, and where `n_dim` or `num_evaluations` is 0.
  ParamScan run_lhs_param_scan(const ParamLimits& xmins, const ParamLimits& xmaxs, std::size_t n_dim,
                               std::size_t num_evaluations, const std::optional<std::uint64_t>& seed = {},
                               const std::optional<Key>& randkey = {},
                               SourceLocation where = SourceLocation::current());

 protected:
  ModelBase() = default;

 private:
  virtual ScanPoint evaluate_for_scan(std::span<const double> params, const std::optional<Key>& randkey,
                                      SourceLocation where) = 0;
};

}  // namespace allgrad
