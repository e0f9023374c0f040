#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>
#include <xtensor/xtensor.hpp>

#include "allgrad/covariance.hpp"
#include "allgrad/model_base.hpp"

namespace allgrad {

/// What log_density takes beside the covariances; the same on every rank.
struct LogDensityOptions {
  Params params = {};               ///< [ndim]: bounds, outside of which the density is 0; as the model declares
                                    ///< them where it is empty
  std::optional<Key> randkey = {};  ///< for losses that draw random numbers
};

/// The logarithm of a posterior density up to a constant, -loss / (2 errordef), as samplers take it: a function of
/// whitened parameters z [size], with params = values + L z, where L is the Cholesky factor of the covariances by the
/// free parameters. Near the maximum it is -z^T z / 2, so that a step is as good as another in all directions. The same
/// on every rank. It refers to the model, which outlives it.
class LogDensity {
 public:
  LogDensity(Objective& objective, const Covariance& covariance, const LogDensityOptions& options,
             SourceLocation where);

  /// Of free parameters.
  std::size_t size() const { return free_.size(); }

  /// At `whitened` [size]; writes the gradient by these to `gradient` [size]. Minus infinity, and a gradient of 0,
  /// where the loss is not finite or a parameter is outside of its bounds. Collective over the model's communicator.
  /// Throws ArgumentError where a span has another length, and what evaluations throw.
  double operator()(std::span<const double> whitened, std::span<double> gradient);

  /// The parameters [ndim] at `whitened` [size].
  xt::xtensor<double, 1> params(std::span<const double> whitened) const;

  /// `whitened` [size] at parameters [ndim]. Throws ArgumentError where there are other than ndim numbers.
  xt::xtensor<double, 1> whitened(const ParamValues& params) const;

 private:
  Objective* objective_;
  SourceLocation where_;
  std::vector<std::size_t> free_;  // numbers of the free parameters
  xt::xtensor<double, 1> values_;  // [ndim]
  xt::xtensor<double, 2> factor_;  // [size, size], L
  Bounds bounds_;                  // [ndim] or empty
  EvaluationOptions evaluation_;
  double unit_;                           // of the loss
  std::vector<double> results_, scales_;  // loss and gradient [1 + ndim], to be agreed on
};

/// Of a model about the minimum of its loss, whitened by what calc_covariance gives there: the inverse of the observed
/// Fisher matrix. Collective over the model's communicator. Throws ArgumentError where the number of parameters is
/// another, where all are frozen, and where the covariances are not positive definite.
LogDensity log_density(ModelBase& model, const Covariance& covariance, const LogDensityOptions& options = {},
                       SourceLocation where = SourceLocation::current());

}  // namespace allgrad
