#include "allgrad/log_density.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "allgrad/error.hpp"
#include "base/finite.hpp"
#include "comm/agreement.hpp"
#include "comm/call.hpp"
#include "uncertainty/positive_definite.hpp"

namespace allgrad {

namespace {

[[noreturn]] void refuse_density(const std::string& text, SourceLocation where) {
  throw ArgumentError("log_density: expected " + text, where);
}

Eigen::Index index(std::size_t i) { return static_cast<Eigen::Index>(i); }

Eigen::Map<const RowMajorMatrix> matrix_of(const xt::xtensor<double, 2>& values) {
  return {values.data(), index(values.shape(0)), index(values.shape(1))};
}

}  // namespace

LogDensity::LogDensity(Objective& objective, const Covariance& covariance, const LogDensityOptions& options,
                       SourceLocation where)
    : objective_(&objective),
      where_(where),
      values_(covariance.values),
      evaluation_{.randkey = options.randkey},
      unit_(2.0 * covariance.errordef),
      results_(1 + values_.size()),
      scales_(results_.size()) {
  const std::size_t ndim = values_.size();
  if (!options.params.empty() && options.params.size() != ndim) {
    refuse_density(fmt::format("as many .params as the covariances have, {}, got {}; declare each of them, or none",
                               ndim, options.params.size()),
                   where);
  }
  for (const Param& param : options.params) bounds_.push_back(param.bounds);
  std::vector<Eigen::Index> free;
  for (std::size_t i = 0; i < ndim; ++i) {
    if (covariance.frozen[i]) continue;
    free_.push_back(i);
    free.push_back(index(i));
  }
  if (free.empty()) refuse_density("covariances of parameters that are free, got some of frozen ones alone", where);
  if (free.size() < ndim) evaluation_.frozen = covariance.frozen;
  const Eigen::LLT<Eigen::MatrixXd> cholesky(matrix_of(covariance.matrix)(free, free));
  if (cholesky.info() != Eigen::Success)
    refuse_density("covariances that are positive definite, got some that are not", where);
  factor_ = xt::xtensor<double, 2>::from_shape({free.size(), free.size()});
  Eigen::Map<RowMajorMatrix>(factor_.data(), index(size()), index(size())) = cholesky.matrixL();
}

double LogDensity::operator()(std::span<const double> whitened, std::span<double> gradient) {
  return in_call("LogDensity", where_, objective_->communicator(), [&] {
    if (whitened.size() != size() || gradient.size() != size()) {
      refuse_density(fmt::format("{0} whitened parameters and room for a gradient of {0} numbers, got {1} and {2}",
                                 size(), whitened.size(), gradient.size()),
                     where_);
    }
    constexpr double impossible = -infinity;
    const xt::xtensor<double, 1> at = params(whitened);
    std::ranges::fill(gradient, 0.0);
    for (std::size_t i = 0; i < bounds_.size(); ++i) {
      if (at(i) < bounds_[i].low || at(i) > bounds_[i].high) return impossible;
    }
    const std::span<double> by_params = std::span(results_).subspan(1);
    results_[0] = objective_->value_and_gradient({at.data(), at.size()}, by_params, evaluation_);
    std::ranges::fill(scales_, size_of(by_params));
    agree(objective_->communicator(), Operation("the end of an evaluation", where_),
          {"loss and gradient", results_, scales_});
    if (!all_finite(results_)) return impossible;
    Eigen::VectorXd by_free(index(size()));
    for (std::size_t k = 0; k < size(); ++k) by_free(index(k)) = by_params[free_[k]];
    Eigen::Map<Eigen::VectorXd>(gradient.data(), index(size())) = matrix_of(factor_).transpose() * by_free / -unit_;
    return -results_[0] / unit_;
  });
}

xt::xtensor<double, 1> LogDensity::params(std::span<const double> whitened) const {
  xt::xtensor<double, 1> result = values_;
  const Eigen::Map<const Eigen::VectorXd> z(whitened.data(), index(size()));
  const Eigen::VectorXd change = matrix_of(factor_) * z;
  for (std::size_t k = 0; k < size(); ++k) result(free_[k]) += change(index(k));
  return result;
}

xt::xtensor<double, 1> LogDensity::whitened(const ParamValues& params) const {
  if (params.size() != values_.size()) {
    refuse_density(fmt::format("{} parameters, got {}", values_.size(), params.size()), where_);
  }
  auto result = xt::xtensor<double, 1>::from_shape({size()});
  Eigen::Map<Eigen::VectorXd> z(result.data(), index(size()));
  for (std::size_t k = 0; k < size(); ++k) {
    z(index(k)) = std::span<const double>(params)[free_[k]] - values_(free_[k]);
  }
  matrix_of(factor_).triangularView<Eigen::Lower>().solveInPlace(z);
  return result;
}

LogDensity log_density(ModelBase& model, const Covariance& covariance, const LogDensityOptions& options,
                       SourceLocation where) {
  return in_call("log_density", where, model.communicator(), [&] {
    Objective& objective = model.objective(covariance.values.size(), where);
    const auto make = [&] {
      LogDensityOptions own = options;
      if (own.params.empty()) own.params = model.params();
      return LogDensity(objective, covariance, own, where);
    };
    return model.communicator().guarded(make, Operation("the making of a log density", where));
  });
}

}  // namespace allgrad
