#pragma once

#include <cmath>
#include <xtensor/xbuilder.hpp>

#include "allgrad/allgrad.hpp"
#include "lambda_model.hpp"
#include "reference_models.hpp"
#include "world.hpp"

namespace allgrad::testing {

/// The model of the README, on a communicator.
inline LambdaModel readme_model(const Communicator& world) {
  const auto [first, last] = first_is_empty(10000, world.rank(), world.size());
  const xt::xarray<double> row = xt::arange(static_cast<double>(first), static_cast<double>(last));
  const Table halos("halos", {{"log_mass", xt::xarray<double>(10.0 - xt::log10(1.0 - 0.95 * row / 9999.0))}}, world);
  const auto statistics = [halos](const Expr& params) {
    const xt::xarray<double> edges = xt::linspace(9.0, 10.0, 11);
    const auto z = (edges - expand_dims(params[0] + halos["log_mass"], 1)) / (std::sqrt(2.0) * pow(10.0, params[1]));
    return sum(diff(0.5 * (1.0 + erf(z))), 0) / (1e5 * xt::diff(edges));
  };
  const auto loss = [](const Sumstats& smf) {
    const xt::xarray<double> observed = {0.0230104, 0.0169668,   0.0115974,   0.00709412,  0.00375973,
                                         0.0016816, 0.000622301, 0.000187821, 4.57581e-05, 8.93181e-06};
    return sum(square((log10(smf.value) - log10(observed)) / 0.05));
  };
  return {statistics, loss, world};
}

}  // namespace allgrad::testing
